// Package fake serves OpenAI's protocol with answers that are always the same,
// for tests and for trying things out by hand. The model's name chooses what
// happens: see Models.
package fake
