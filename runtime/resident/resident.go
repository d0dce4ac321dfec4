// Package resident gives memory back to the system that a program needs again
// only when something happens: garbage, and those pages of the program file
// that were read on the way. A node may hold thousands of programs that wait.
package resident

import (
	"errors"
	"runtime/debug"
)

// ErrFilePages says that pages of the program file could not be dropped. The
// program goes on with the memory that it has.
var ErrFilePages = errors.New("pages of the program could not be dropped")

// Release gives back free memory and the untouched pages of the program file.
// It costs a garbage collection. The error is ErrFilePages or nil.
func Release() error {
	debug.FreeOSMemory()
	if err := dropFilePages(); err != nil {
		return errors.Join(ErrFilePages, err)
	}
	return nil
}
