package server

import (
	"net/http"
	"strconv"

	"github.com/google/uuid"
)

const (
	defaultPage = 50
	maxPage     = 200
)

// Cursor says which part of a list is wanted.
type Cursor struct {
	// After is the id of the last item of the page before; nil for the first.
	After *uuid.UUID
	// Limit is the largest number of items.
	Limit int
}

// PageOf reads the query parameters after and limit.
func PageOf(r *http.Request) (Cursor, error) {
	page := Cursor{Limit: defaultPage}
	query := r.URL.Query()
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			return page, Invalid(FieldError{Field: "limit", Code: CodeInvalid, Message: "limit must be a number from 1 to 200."})
		}
		page.Limit = n
	}
	if text := query.Get("after"); text != "" {
		id, err := parseID(text)
		if err != nil {
			return page, Invalid(FieldError{Field: "after", Code: CodeInvalid, Message: "after must be the value of next of the page before."})
		}
		page.After = &id
	}
	return page, nil
}

// PathID reads an id in the path. What is no id belongs to nothing: 404, as for
// an id that is another tenant's.
func PathID(r *http.Request, name string) (uuid.UUID, error) {
	id, err := parseID(r.PathValue(name))
	if err != nil {
		return uuid.Nil, NotFound()
	}
	return id, nil
}

// parseID takes the one usual way to write an id.
func parseID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err == nil && id.String() != text {
		err = strconv.ErrSyntax
	}
	return id, err
}
