package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/proc"
)

// State is what a component is doing.
type State string

// The states of a component.
const (
	Pending  State = "Pending"  // its wave has not begun
	Starting State = "Starting" // runs, not ready yet
	Ready    State = "Ready"    // became ready after its last start
	Waiting  State = "Waiting"  // ended, will be started again
)

// Entry is the status of one component.
type Entry struct {
	Name     string    `json:"name"`
	State    State     `json:"state"`
	PID      int       `json:"pid,omitempty"`
	Restarts int       `json:"restarts"`
	Since    time.Time `json:"since"` // of the state
	Message  string    `json:"message,omitempty"`
}

// Status is what the supervisor writes down.
type Status struct {
	// Stopping means that the supervisor was asked to end.
	Stopping   bool    `json:"stopping,omitempty"`
	Components []Entry `json:"components"`
}

// ReadStatus loads the file; there is none before the supervisor has started.
func ReadStatus(path string) (Status, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Status{}, nil
	}
	if err != nil {
		return Status{}, fmt.Errorf("read the status: %w", err)
	}
	var status Status
	if err := json.Unmarshal(data, &status); err != nil {
		return Status{}, fmt.Errorf("read the status: %w", err)
	}
	return status, nil
}

// Ready says whether all components are, and will be.
func (s Status) Ready() bool {
	if s.Stopping {
		return false
	}
	for _, entry := range s.Components {
		if entry.State != Ready {
			return false
		}
	}
	return len(s.Components) > 0
}

// Unready returns the first component that is not ready.
func (s Status) Unready() (Entry, bool) {
	for _, entry := range s.Components {
		if entry.State != Ready {
			return entry, true
		}
	}
	return Entry{}, false
}

// board is the status and its file.
type board struct {
	mu     sync.Mutex
	path   string
	status Status
}

func newBoard(path string, names []string) (*board, error) {
	b := &board{path: path}
	for _, name := range names {
		b.status.Components = append(b.status.Components, Entry{Name: name, State: Pending, Since: time.Now()})
	}
	return b, b.write()
}

func (b *board) set(name string, change func(*Entry)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.status.Components {
		entry := &b.status.Components[i]
		if entry.Name != name {
			continue
		}
		before := *entry
		change(entry)
		if entry.State != before.State {
			entry.Since = time.Now()
		}
		if *entry != before {
			return b.write()
		}
	}
	return nil
}

func (b *board) stopping() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status.Stopping = true
	return b.write()
}

func (b *board) write() error {
	data, err := json.MarshalIndent(b.status, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the status: %w", err)
	}
	return proc.WriteFile(b.path, data, 0o644)
}

func (b *board) remove() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := os.Remove(b.path); err != nil {
		return fmt.Errorf("remove the status: %w", err)
	}
	return nil
}
