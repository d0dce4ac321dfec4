package resident

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// dropFilePages takes the pages of the program file that are not written to,
// its code and constants, out of this process's memory. They stay in the
// system's cache and come back one by one when they are touched, which costs
// less than a microsecond each.
func dropFilePages() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("finding the program file: %w", err)
	}
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("opening the list of mappings: %w", err)
	}
	defer func() { _ = file.Close() }()
	return errors.Join(dropMappings(bufio.NewScanner(file), program)...)
}

func dropMappings(lines *bufio.Scanner, program string) (problems []error) {
	var current mapping
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) >= 5 && !strings.HasSuffix(fields[0], ":"):
			current = parseMapping(fields)
		case len(fields) >= 2 && fields[0] == "Anonymous:":
			// A page that was ever written to differs from the file, also
			// where the mapping was made read-only later. It must stay.
			if current.of(program) && fields[1] == "0" {
				problems = append(problems, current.drop())
			}
		}
	}
	return append(problems, lines.Err())
}

// mapping is a range of addresses: a line such as
// 00400000-00a8c000 r-xp 00000000 00:1c 123 /runtime.
type mapping struct {
	start, end uintptr
	perms      string
	path       string
}

func parseMapping(fields []string) mapping {
	from, to, _ := strings.Cut(fields[0], "-")
	start, err := strconv.ParseUint(from, 16, 64)
	if err != nil {
		return mapping{}
	}
	end, err := strconv.ParseUint(to, 16, 64)
	if err != nil {
		return mapping{}
	}
	return mapping{start: uintptr(start), end: uintptr(end), perms: fields[1], path: strings.Join(fields[5:], " ")}
}

func (m mapping) of(program string) bool {
	return m.path == program && m.end > m.start && strings.HasPrefix(m.perms, "r") && m.perms[1] == '-' && m.perms[3] == 'p'
}

func (m mapping) drop() error {
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED); errno != 0 {
		return fmt.Errorf("dropping pages: %w", errno)
	}
	return nil
}
