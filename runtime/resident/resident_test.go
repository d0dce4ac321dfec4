package resident_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/weft-run/weft/runtime/resident"
)

func TestReleaseShrinksTheProgram(t *testing.T) {
	before := filePages(t)
	if err := resident.Release(); err != nil {
		t.Fatalf("Release: %v", err)
	}
	if after := filePages(t); after >= before {
		t.Errorf("pages of the program file must leave the process's memory: %d KiB before, %d KiB after", before, after)
	}
}

// filePages is the memory, in KiB, that maps files.
func filePages(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("only Linux tells: " + err.Error())
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "RssFile:"); ok {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Skip("this kernel does not tell file pages apart")
	return 0
}
