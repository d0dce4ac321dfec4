//go:build !linux

package server

// dropFilePages does nothing: only Linux lets a process do it.
func dropFilePages() error { return nil }
