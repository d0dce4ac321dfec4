package limits

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

var (
	// ErrTooLarge says that the body is larger than it may be.
	ErrTooLarge = errors.New("body is too large")
	// ErrBusy says that other bodies take all the memory that is set aside for them.
	ErrBusy = errors.New("no memory left for bodies")
)

// firstChunk is read before more memory is taken: most bodies end within it.
const firstChunk = 4 << 10

// Bodies bounds the memory that all bodies take together.
type Bodies struct {
	limit int64
	used  atomic.Int64
}

// NewBodies returns a budget of limit bytes.
func NewBodies(limit int64) *Bodies { return &Bodies{limit: limit} }

// Body is a body in memory.
type Body struct {
	// Data of the body, valid until Release.
	Data []byte

	budget *Bodies
	taken  int64
}

// Read reads a body of at most limit bytes. length is what the sender
// announced, or less than 0. Memory is taken from the budget before it is
// used, and given back by Release.
func (b *Bodies) Read(r io.Reader, length, limit int64) (*Body, error) {
	if length > limit {
		return nil, ErrTooLarge
	}
	body := &Body{budget: b}
	if err := body.read(r, length, limit); err != nil {
		body.Release()
		return nil, err
	}
	return body, nil
}

// Release gives the memory back.
func (b *Body) Release() {
	b.budget.used.Add(-b.taken)
	b.taken, b.Data = 0, nil
}

// read never trusts the announced length for more than where to begin: the
// buffer grows with what has really come.
func (b *Body) read(r io.Reader, length, limit int64) error {
	size := int64(firstChunk)
	if length >= 0 {
		size = min(size, length+1)
	}
	if err := b.grow(size); err != nil {
		return err
	}
	for {
		if len(b.Data) == cap(b.Data) {
			if err := b.grow(int64(cap(b.Data)) * 2); err != nil {
				return err
			}
		}
		n, err := r.Read(b.Data[len(b.Data):cap(b.Data)])
		b.Data = b.Data[:len(b.Data)+n]
		switch {
		case int64(len(b.Data)) > limit:
			return ErrTooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading the body: %w", err)
		}
	}
}

// grow moves the data to a buffer of size bytes. Both exist for a moment and
// are counted.
func (b *Body) grow(size int64) error {
	if b.budget.used.Add(size) > b.budget.limit {
		b.budget.used.Add(-size)
		return ErrBusy
	}
	data := make([]byte, len(b.Data), size)
	copy(data, b.Data)
	b.budget.used.Add(-b.taken)
	b.Data, b.taken = data, size
	return nil
}
