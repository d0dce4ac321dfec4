//go:build !race

package main

// measurable says whether memory tells something: the race detector multiplies
// it.
const measurable = true
