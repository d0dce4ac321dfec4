//go:build !linux

package resident

// dropFilePages does nothing: only Linux lets a process do it.
func dropFilePages() error { return nil }
