package server

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxNameLength is the longest name that people give to things, in characters.
const maxNameLength = 120

// CheckName checks a name that a person gave to something. missing is said
// where there is none.
func CheckName(field, name, missing string) []FieldError {
	problem := func(code, message string) []FieldError {
		return []FieldError{{Field: field, Code: code, Message: message}}
	}
	switch {
	case name == "":
		return problem(CodeRequired, missing)
	case utf8.RuneCountInString(name) > maxNameLength:
		return problem(CodeTooLarge, "The name is longer than 120 characters.")
	case strings.ContainsFunc(name, unicode.IsControl):
		return problem(CodeInvalid, "The name must not contain control characters.")
	}
	return nil
}
