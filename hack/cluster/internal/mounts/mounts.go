// Package mounts reads the kernel's mount table.
package mounts

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Mount is one line of /proc/self/mountinfo.
type Mount struct {
	Point   string   // where it is mounted
	Type    string   // file system type
	Options []string // options of the file system (not of the mount point)
}

// Read returns the caller's mounts in the order they were made.
func Read() ([]Mount, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	mounts, err := Parse(file)
	return mounts, errors.Join(err, file.Close())
}

// Parse reads the format of proc_pid_mountinfo(5).
func Parse(r io.Reader) ([]Mount, error) {
	var mounts []Mount
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		head, rest, found := strings.Cut(scanner.Text(), " - ")
		before, after := strings.Fields(head), strings.Fields(rest)
		if !found || len(before) < 5 || len(after) < 3 {
			return nil, fmt.Errorf("unexpected line in mountinfo: %q", scanner.Text())
		}
		mounts = append(mounts, Mount{
			Point:   unescape(before[4]),
			Type:    after[0],
			Options: strings.Split(after[2], ","),
		})
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read mountinfo: %w", err)
	}
	return mounts, nil
}

// unescape undoes the kernel's octal notation of blanks and backslashes.
func unescape(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '\\' && i+3 < len(path) {
			if code, err := strconv.ParseUint(path[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		b.WriteByte(path[i])
	}
	return b.String()
}

// Below returns the mount points strictly below dir, last mounted first, which
// is an order in which they can be unmounted. A mount on dir itself is not the
// cluster's and stays.
func Below(all []Mount, dir string) []string {
	prefix := filepath.Clean(dir) + "/"
	var points []string
	for _, mount := range all {
		if strings.HasPrefix(mount.Point, prefix) {
			points = append(points, mount.Point)
		}
	}
	slices.Reverse(points)
	return points
}

// UnmountBelow detaches every mount below dir and fails if one remains: its
// files would be deleted with the directory.
func UnmountBelow(dir string) error {
	// A second round catches mounts that were stacked or just being made.
	var failures error
	for range 3 {
		all, err := Read()
		if err != nil {
			return err
		}
		points := Below(all, dir)
		if len(points) == 0 {
			return nil
		}
		failures = nil
		for _, point := range points {
			if err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
				failures = errors.Join(failures, fmt.Errorf("unmount %s: %w", point, err))
			}
		}
	}
	if failures == nil {
		return fmt.Errorf("mounts keep appearing below %s", dir)
	}
	return failures
}
