// Package ai holds the component types that ask language models.
package ai
