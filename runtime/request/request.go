// Package request is the one request parser. Gateway, portal and runtime turn
// a request into (method, host, path, workspace, target) with it and with
// nothing else, so that no two of them can ever disagree about what was asked
// for. Whatever two parsers could read in two ways is refused, not repaired.
package request

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxPath bounds the path of a request, in bytes as sent.
const MaxPath = 4096

// ErrAmbiguous is returned for every request that could be read in more than
// one way. The answer to it is 400, whoever asks and whatever for.
var ErrAmbiguous = errors.New("request is ambiguous")

// Kind says what a request is for.
type Kind int

const (
	// Other is everything that is none of the below.
	Other Kind = iota
	// Flow is an exposed flow: /f/{workspace}/{name}.
	Flow
	// Agent is an exposed agent: /a/{workspace}/{name}.
	Agent
	// Test is a test run on a workspace's test runtime: /test/run.
	Test
)

// TestPath is the one path of Kind Test.
const TestPath = "/test/run"

// String returns the kind's name.
func (k Kind) String() string {
	switch k {
	case Flow:
		return "Flow"
	case Agent:
		return "Agent"
	case Test:
		return "Test"
	case Other:
		return "Other"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Target is what a request asks for.
type Target struct {
	// Method in capital letters.
	Method string
	// Host in small letters, with the port where one was sent.
	Host string
	// Path is the decision path: percent-decoded once, free of anything that
	// could be decoded or resolved again. Every decision is made on it, and
	// every upstream receives it.
	Path string
	// Kind says what the rest of the fields mean.
	Kind Kind
	// Workspace is the name of the workspace of a Flow or Agent.
	Workspace string
	// Name of the Flow or Agent.
	Name string
	// Rest is what follows the name: empty, or beginning with "/".
	Rest string
}

// EscapedPath returns the path in the one form in which it is sent on.
func (t Target) EscapedPath() string { return (&url.URL{Path: t.Path}).EscapedPath() }

// Parse reads what a request asks for. The error, if any, wraps ErrAmbiguous.
func Parse(r *http.Request) (Target, error) {
	raw, err := rawPath(r)
	if err != nil {
		return Target{}, err
	}
	path, err := Normalize(raw)
	if err != nil {
		return Target{}, err
	}
	// A handler before us may have changed the URL. What it decided on and what
	// we decide on must be the same.
	if r.URL.Path != path {
		return Target{}, fmt.Errorf("%w: the path was rewritten", ErrAmbiguous)
	}
	host, err := NormalizeHost(r.Host)
	if err != nil {
		return Target{}, err
	}
	if err := checkMethod(r.Method); err != nil {
		return Target{}, err
	}
	t := Target{Method: r.Method, Host: host, Path: path}
	t.classify()
	return t, nil
}

// rawPath returns the path as the client sent it. Only the origin form
// ("/path?query") passes: net/http throws the Host header away where the
// absolute form was used, so that a second host name could hide there.
func rawPath(r *http.Request) (string, error) {
	target := r.RequestURI
	if target == "" { // not from a server: made by hand, as in tests
		target = r.URL.EscapedPath()
	}
	if target == "" || target[0] != '/' {
		return "", fmt.Errorf("%w: the request target is not a path", ErrAmbiguous)
	}
	path, _, _ := strings.Cut(target, "?")
	return path, nil
}

// Normalize turns the path of a request target into the decision path, or
// refuses it. Normalize(p) == p for every p that it returned.
func Normalize(raw string) (string, error) {
	switch {
	case len(raw) > MaxPath:
		return "", fmt.Errorf("%w: the path is longer than %d bytes", ErrAmbiguous, MaxPath)
	case raw == "" || raw[0] != '/':
		return "", fmt.Errorf("%w: the path does not begin with /", ErrAmbiguous)
	}
	path, err := decode(raw)
	if err != nil {
		return "", err
	}
	if err := checkText(path); err != nil {
		return "", err
	}
	if err := checkSegments(path); err != nil {
		return "", err
	}
	return path, nil
}

// decode resolves percent-encoding once. An encoded byte that would mean
// something to a parser is refused: no two parsers agree on when it does.
func decode(raw string) (string, error) {
	if strings.IndexByte(raw, '%') < 0 {
		return raw, nil
	}
	var b strings.Builder
	b.Grow(len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '%' {
			b.WriteByte(raw[i])
			continue
		}
		if i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
			return "", fmt.Errorf("%w: bad percent-encoding in the path", ErrAmbiguous)
		}
		c := unhex(raw[i+1])<<4 | unhex(raw[i+2])
		if strings.IndexByte(`/\.%;?#`, c) >= 0 {
			return "", fmt.Errorf("%w: an encoded delimiter in the path", ErrAmbiguous)
		}
		b.WriteByte(c)
		i += 2
	}
	return b.String(), nil
}

// checkText refuses bytes that are no text, and text that cannot be seen.
func checkText(path string) error {
	if !utf8.ValidString(path) {
		return fmt.Errorf("%w: bad UTF-8 in the path", ErrAmbiguous)
	}
	for _, r := range path {
		switch {
		case strings.ContainsRune(`\;?#%`, r):
			return fmt.Errorf("%w: %q in the path", ErrAmbiguous, r)
		case !unicode.IsGraphic(r) || r == utf8.RuneError:
			return fmt.Errorf("%w: a character in the path that cannot be shown", ErrAmbiguous)
		case foldsToDelimiter(r):
			return fmt.Errorf("%w: a character in the path that looks like a delimiter", ErrAmbiguous)
		}
	}
	return nil
}

// foldsToDelimiter tells of the characters that Unicode's compatibility
// folding turns into one that would mean something in a path.
func foldsToDelimiter(r rune) bool {
	switch r {
	case '\uff0f', '\uff3c', '\uff0e', '\uff05', '\uff1b', '\uff1f', '\uff03', // full width
		'\u2024', '\u2025', '\u2026', '\ufe52', // dot leaders, small full stop
		'\ufe54', '\ufe56', '\ufe5f', '\ufe68', '\ufe6a', // small forms
		'\u037e', '\u2100', '\u2101', '\u2105', '\u2106': // Greek question mark; a/c, a/s, c/o, c/u
		return true
	}
	return false
}

func checkSegments(path string) error {
	if strings.Contains(path, "//") {
		return fmt.Errorf("%w: an empty segment in the path", ErrAmbiguous)
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return fmt.Errorf("%w: a dot segment in the path", ErrAmbiguous)
		}
	}
	return nil
}

func checkMethod(method string) error {
	for i := range len(method) {
		if method[i] < 'A' || method[i] > 'Z' {
			return fmt.Errorf("%w: a method is written in capital letters", ErrAmbiguous)
		}
	}
	// CONNECT names an authority, not a path; net/http lets it name either.
	if method == "" || len(method) > 16 || method == http.MethodConnect {
		return fmt.Errorf("%w: no method that a path can have", ErrAmbiguous)
	}
	return nil
}

// classify fills in Kind, Workspace, Name and Rest.
func (t *Target) classify() {
	if t.Path == TestPath {
		t.Kind = Test
		return
	}
	kind := Flow
	after, ok := strings.CutPrefix(t.Path, "/f/")
	if !ok {
		kind = Agent
		if after, ok = strings.CutPrefix(t.Path, "/a/"); !ok {
			return
		}
	}
	workspace, after, ok := strings.Cut(after, "/")
	name, rest := after, ""
	if i := strings.IndexByte(after, '/'); i >= 0 {
		name, rest = after[:i], after[i:]
	}
	if !ok || !ValidName(workspace, MaxWorkspace) || !ValidName(name, MaxName) {
		return
	}
	t.Kind, t.Workspace, t.Name, t.Rest = kind, workspace, name, rest
}

// Bounds of names, in bytes, as the kinds Workspace and Flow have them.
const (
	MaxWorkspace = 40
	MaxName      = 50
)

// ValidName tells whether s can be the name of a workspace, flow or agent:
// small letters, digits and hyphens, beginning with a letter, not ending with
// a hyphen.
func ValidName(s string, limit int) bool {
	if s == "" || len(s) > limit || s[0] < 'a' || s[0] > 'z' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
