package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

//go:embed messages/*.json
var messageFiles embed.FS

// languages that the pages speak; the first is the one for everybody else.
var languages = [...]string{"en", "es"}

// languageCookie remembers a choice.
const languageCookie = "weft-language"

// messages are the texts of one language by key.
type messages map[string]string

// readMessages reads the texts of a language: those of the pages, and for
// languages other than English those of the step types and of what the services
// say, which have their English texts with them.
func readMessages(language string) (messages, error) {
	names, err := fs.Glob(messageFiles, "messages/"+language+"*.json")
	if err != nil {
		return nil, fmt.Errorf("looking for messages: %w", err)
	}
	all := messages{}
	for _, name := range names {
		data, err := messageFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading the messages: %w", err)
		}
		var some messages
		if err := json.Unmarshal(data, &some); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		maps.Copy(all, some)
	}
	return all, nil
}

// text returns the message of a key, with its arguments put in. A key without a
// message is a text by itself: what the services say in English has its own
// text as the key of its translation.
func (m messages) text(key string, args ...any) string {
	text, ok := m[key]
	if !ok {
		text = key
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// or returns the message of a key, or the fallback where there is none.
func (m messages) or(key, fallback string) string {
	if text, ok := m[key]; ok {
		return text
	}
	return fallback
}

// languageOf returns the language of a request: the one that was chosen, else
// the first that the browser asks for.
func languageOf(r *http.Request, cookieName string) string {
	if cookie, err := r.Cookie(cookieName); err == nil && slices.Contains(languages[:], cookie.Value) {
		return cookie.Value
	}
	return preferred(r.Header.Get("Accept-Language"))
}

// maxPreferences bounds the entries of Accept-Language that are looked at.
const maxPreferences = 20

func preferred(header string) string {
	best, weight := languages[0], 0.0
	for i, entry := range strings.Split(header, ",") {
		if i == maxPreferences {
			break
		}
		tag, params, _ := strings.Cut(strings.TrimSpace(entry), ";")
		primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if q := quality(params); slices.Contains(languages[:], primary) && q > weight {
			best, weight = primary, q
		}
	}
	return best
}

func quality(params string) float64 {
	text, ok := strings.CutPrefix(strings.TrimSpace(params), "q=")
	if !ok {
		return 1
	}
	q, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return q
}
