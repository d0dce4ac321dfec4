package results

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Node reads the closing lines of "node --test" in its TAP form ("# pass 5").
func Node(in io.Reader) (Count, error) {
	var c Count
	fields := map[string]*int{"# pass": &c.Passed, "# fail": &c.Failed, "# cancelled": &c.Failed, "# skipped": &c.Skipped, "# todo": &c.Skipped}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	seen := false
	for lines.Scan() {
		// Indented lines are what tests print.
		cut := strings.LastIndexByte(lines.Text(), ' ')
		if cut < 0 {
			continue
		}
		target, ok := fields[lines.Text()[:cut]]
		if !ok {
			continue
		}
		n, err := strconv.Atoi(lines.Text()[cut+1:])
		if err != nil {
			return c, fmt.Errorf("reading %q: %w", lines.Text(), err)
		}
		*target += n
		seen = true
	}
	if err := lines.Err(); err != nil {
		return c, fmt.Errorf("reading the output of node --test: %w", err)
	}
	if !seen {
		return c, fmt.Errorf("node --test printed no result")
	}
	return c, nil
}
