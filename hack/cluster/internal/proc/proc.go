// Package proc names processes in a way that survives the reuse of pids.
package proc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// procRoot is where the kernel shows processes.
const procRoot = "/proc"

// Identity names one process of one boot: a pid alone is reused.
type Identity struct {
	PID    int    `json:"pid"`
	Start  uint64 `json:"start"`  // clock ticks after boot, field 22 of /proc/<pid>/stat
	BootID string `json:"bootID"` // changes with every boot
}

// Self returns the identity of the calling process.
func Self() (Identity, error) { return Of(os.Getpid()) }

// Of returns the identity of the process that has this pid now.
func Of(pid int) (Identity, error) {
	boot, err := BootID()
	if err != nil {
		return Identity{}, err
	}
	stat, err := os.ReadFile(filepath.Join(procRoot, strconv.Itoa(pid), "stat"))
	if err != nil {
		return Identity{}, fmt.Errorf("read the start time of process %d: %w", pid, err)
	}
	start, state, err := parseStat(string(stat))
	if err != nil {
		return Identity{}, fmt.Errorf("process %d: %w", pid, err)
	}
	if state == 'Z' || state == 'X' {
		return Identity{}, fmt.Errorf("process %d: %w", pid, os.ErrProcessDone)
	}
	return Identity{PID: pid, Start: start, BootID: boot}, nil
}

// BootID returns the kernel's name for this boot.
func BootID() (string, error) {
	id, err := os.ReadFile(filepath.Join(procRoot, "sys/kernel/random/boot_id"))
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

// parseStat reads a line of /proc/<pid>/stat. The command's name is in
// parentheses and may itself contain spaces and parentheses.
func parseStat(line string) (start uint64, state byte, err error) {
	end := strings.LastIndexByte(line, ')')
	if end < 0 {
		return 0, 0, errors.New("no command name in stat")
	}
	fields := strings.Fields(line[end+1:])
	// The first of these is field 3 (state), so field 22 is at index 19.
	if len(fields) < 20 {
		return 0, 0, fmt.Errorf("%d fields after the command name in stat, want 20 or more", len(fields))
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("start time in stat: %w", err)
	}
	return start, fields[0][0], nil
}

// Alive says whether this very process still runs.
func (id Identity) Alive() bool {
	if id.PID <= 1 {
		return false
	}
	now, err := Of(id.PID)
	return err == nil && now == id
}

// Signal sends the signal if this very process still runs.
func (id Identity) Signal(signal syscall.Signal) error {
	if !id.Alive() {
		return fmt.Errorf("signal process %d: %w", id.PID, os.ErrProcessDone)
	}
	if err := syscall.Kill(id.PID, signal); err != nil {
		return fmt.Errorf("signal process %d: %w", id.PID, err)
	}
	return nil
}

// Write stores the identity in a pid file.
func (id Identity) Write(path string) error {
	data, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return WriteFile(path, data, 0o600)
}

// Read loads a pid file. A missing or damaged file is the identity of no
// process: it was being written when the machine or its writer died.
func Read(path string) (Identity, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{}, nil
	}
	if err != nil {
		return Identity{}, fmt.Errorf("read pid file: %w", err)
	}
	var id Identity
	if err := json.Unmarshal(data, &id); err != nil {
		return Identity{}, nil //nolint:nilerr // a file that was cut short names nobody
	}
	return id, nil
}

// WriteFile replaces a file in one step, so that no reader sees half of it.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(mode), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(file.Name())))
	}
	return nil
}
