// Package names makes address-friendly names of what people write.
package names

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// ErrTaken means that there is no free name.
var ErrTaken = errors.New("no free name")

// maxNumber bounds the numbers that are tried.
const maxNumber = 10_000

// Slug keeps small letters, digits and single dashes of a text, letters without
// their accents, at most limit of them. It is empty where nothing is left.
func Slug(text string, limit int) string {
	var b strings.Builder
	for _, c := range norm.NFKD.String(strings.ToLower(text)) {
		switch {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			b.WriteRune(c)
		case unicode.Is(unicode.Mn, c): // an accent
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return cut(b.String(), limit)
}

// Free returns the wanted name or, where it is taken, the wanted name with the
// smallest free number from 2 on.
func Free(wanted string, limit int, taken []string) (string, error) {
	name := cut(wanted, limit)
	for n := 2; slices.Contains(taken, name); n++ {
		if n > maxNumber {
			return "", ErrTaken
		}
		suffix := "-" + strconv.Itoa(n)
		name = cut(wanted, limit-len(suffix)) + suffix
	}
	return name, nil
}

func cut(name string, limit int) string {
	return strings.Trim(name[:min(len(name), limit)], "-")
}
