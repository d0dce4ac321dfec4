package expr

// Nearest returns the candidate that a misspelt word most likely means, or
// nothing where none is near. Of equally near ones it is the first.
func Nearest(word string, candidates []string) string {
	const longest = 64
	if len(word) == 0 || len(word) > longest {
		return ""
	}
	best, most := "", (len(word)+1)/3
	for _, c := range candidates {
		if abs(len(c)-len(word)) > most || len(c) > longest {
			continue
		}
		if d := distance(word, c); d <= most {
			best, most = c, d-1
		}
	}
	return best
}

// distance is the number of letters to change, add, drop or swap with their
// neighbour to get from a to b.
func distance(a, b string) int {
	before := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost(a[i-1], b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func cost(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}

func abs(n int) int { return max(n, -n) }
