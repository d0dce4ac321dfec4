// Package results runs test suites, shows what a person needs to see of them,
// and counts.
package results

import "fmt"

// Count is how many tests ended how.
type Count struct {
	Passed, Failed, Skipped int
}

// Add returns the sum of both.
func (c Count) Add(d Count) Count {
	return Count{c.Passed + d.Passed, c.Failed + d.Failed, c.Skipped + d.Skipped}
}

// String is the line that closes a test run.
func (c Count) String() string {
	if c.Skipped == 0 {
		return fmt.Sprintf("%d passed, %d failed", c.Passed, c.Failed)
	}
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.Passed, c.Failed, c.Skipped)
}
