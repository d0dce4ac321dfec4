package requesttoken

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

var errJSON = errors.New("not the expected JSON")

// object reads one JSON object whose members are all listed in fields and
// occur at most once, with nothing after it. It returns the names it met.
func object(data []byte, fields map[string]func(json.RawMessage) error) (map[string]bool, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%w: bad UTF-8", errJSON)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, fmt.Errorf("%w: no object", errJSON)
	}
	seen := make(map[string]bool, len(fields))
	for dec.More() {
		if err := member(dec, fields, seen); err != nil {
			return nil, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("%w: object is not closed", errJSON)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: data after the object", errJSON)
	}
	return seen, nil
}

func member(dec *json.Decoder, fields map[string]func(json.RawMessage) error, seen map[string]bool) error {
	token, err := dec.Token()
	if err != nil {
		return fmt.Errorf("%w: bad member name", errJSON)
	}
	name, ok := token.(string)
	if !ok {
		return fmt.Errorf("%w: bad member name", errJSON)
	}
	set := fields[name]
	switch {
	case set == nil:
		return fmt.Errorf("%w: unknown member", errJSON)
	case seen[name]:
		return fmt.Errorf("%w: %s occurs twice", errJSON, name)
	}
	seen[name] = true
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return fmt.Errorf("%w: bad value of %s", errJSON, name)
	}
	if err := set(raw); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func text(to *string) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		if raw[0] != '"' {
			return fmt.Errorf("%w: not a text", errJSON)
		}
		return json.Unmarshal(raw, to)
	}
}

func texts(to *[]string) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		var items []json.RawMessage
		if raw[0] != '[' || json.Unmarshal(raw, &items) != nil {
			return fmt.Errorf("%w: not a list", errJSON)
		}
		for _, item := range items {
			var s string
			if err := text(&s)(item); err != nil {
				return err
			}
			*to = append(*to, s)
		}
		return nil
	}
}

func truth(to *bool) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		switch string(raw) {
		case "true":
			*to = true
		case "false":
			*to = false
		default:
			return fmt.Errorf("%w: not true or false", errJSON)
		}
		return nil
	}
}

// seconds takes whole seconds only: a NumericDate with a fraction or an
// exponent is legal in a JWT, but never in one of ours.
func seconds(to *int64) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil || n < 0 || n > maxSeconds || strconv.FormatInt(n, 10) != string(raw) {
			return fmt.Errorf("%w: not a whole number of seconds", errJSON)
		}
		*to = n
		return nil
	}
}
