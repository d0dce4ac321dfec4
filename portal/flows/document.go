// Package flows is the portal's module for flows: drafts, versions, test runs
// and the Flow objects that it writes to the cluster on a user's behalf.
package flows

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/portal/store"
	"github.com/weft-run/weft/runtime/graph"
)

// Document is a flow as the HTTP interface shows and takes it.
type Document struct {
	ID          string               `json:"id,omitempty"`
	Name        string               `json:"name"`
	Description string               `json:"description"`
	Components  []v1alpha1.Component `json:"components"`
	Edges       []v1alpha1.Edge      `json:"edges"`
	Exposure    v1alpha1.Exposure    `json:"exposure"`
	Runtime     v1alpha1.Runtime     `json:"runtime"`
	State       v1alpha1.State       `json:"state,omitempty"`
	// RevisionHistoryLimit is how many earlier revisions the cluster keeps.
	RevisionHistoryLimit *int32 `json:"revisionHistoryLimit,omitempty"`
	// URL at which the flow answers, once it does.
	URL    string `json:"url"`
	Status Status `json:"status"`
	// Timestamp of this copy: send it back with a save.
	Timestamp Timestamp `json:"timestamp"`
	// Revision of the draft: send it back with a change of the draft.
	Revision int64 `json:"revision,omitempty"`
	// ReadOnly says why the flow cannot be changed here, if it cannot.
	ReadOnly string `json:"readOnly,omitempty"`
}

// Summary is a flow in a list.
type Summary struct {
	ID        string              `json:"id"`
	Name      string              `json:"name"`
	Slug      string              `json:"slug"`
	Exposure  v1alpha1.Visibility `json:"visibility"`
	URL       string              `json:"url"`
	Status    Status              `json:"status"`
	Timestamp Timestamp           `json:"timestamp"`
	ReadOnly  string              `json:"readOnly,omitempty"`
}

// Body is what a draft holds: the flow, and the input that its author tries it
// with.
type Body struct {
	Spec  v1alpha1.FlowSpec `json:"spec"`
	Input json.RawMessage   `json:"input,omitempty"`
}

func decodeBody(data []byte) (Body, error) {
	var body Body
	if err := json.Unmarshal(data, &body); err != nil {
		return Body{}, fmt.Errorf("reading a draft: %w", err)
	}
	return body, nil
}

func newDocument(spec *v1alpha1.FlowSpec) Document {
	return Document{
		Name: spec.Title, Description: spec.Description,
		Components: nonNil(spec.Components), Edges: nonNil(spec.Edges),
		Exposure: spec.Exposure, Runtime: spec.Runtime, State: spec.State,
		RevisionHistoryLimit: spec.RevisionHistoryLimit,
	}
}

// nonNil makes an absent list an empty one, which clients may rely on.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// readOnlyFields of a document are ignored where one is sent.
var readOnlyFields = [...]string{"id", "url", "status", "timestamp", "revision", "readOnly"}

// decodeDocument reads a flow that a client sent. The name is the title; what
// the portal itself says of a flow is ignored.
func decodeDocument(data json.RawMessage) (*v1alpha1.FlowSpec, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return nil, server.Invalid(server.FieldError{Field: "flow", Code: server.CodeRequired, Message: "Send the flow as a JSON object."})
	}
	for _, name := range readOnlyFields {
		delete(fields, name)
	}
	if _, ok := fields["title"]; ok {
		return nil, server.Invalid(server.FieldError{Field: "flow.title", Code: server.CodeUnknown, Message: "The title of a flow is its name here."})
	}
	if name, ok := fields["name"]; ok {
		fields["title"] = name
		delete(fields, "name")
	}
	encoded, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("encoding a flow: %w", err)
	}
	spec, problems := graph.Decode(encoded)
	if len(problems) > 0 {
		return nil, invalidFlow(problems)
	}
	if hasNUL(encoded) {
		return nil, server.Invalid(server.FieldError{Field: "flow", Code: server.CodeInvalid, Message: "A text of the flow contains the character NUL, which cannot be stored."})
	}
	return spec, nil
}

// hasNUL says whether a JSON text spells the character NUL, in either of its
// two ways: \u0000 after an even number of backslashes.
func hasNUL(data []byte) bool {
	text := string(data)
	for {
		i := strings.Index(text, `\u0000`)
		if i < 0 {
			return false
		}
		before := len(text[:i]) - len(strings.TrimRight(text[:i], `\`))
		if before%2 == 0 {
			return true
		}
		text = text[i+len(`\u0000`):]
	}
}

// invalidFlow answers a flow with problems: each beside its field.
func invalidFlow(problems []graph.Problem) error {
	fields := make([]server.FieldError, len(problems))
	for i, p := range problems {
		fields[i] = server.FieldError{Field: problemField(p), Code: p.Code, Message: p.Message}
	}
	err := server.Invalid(fields...)
	if len(fields) > 1 {
		err.Message = fmt.Sprintf("The flow has %d problems. Each is named with its step and field.", len(fields))
	}
	return err
}

func problemField(p graph.Problem) string {
	if p.Component == "" {
		return "flow." + p.Field
	}
	return "flow.components[" + p.Component + "]." + p.Field
}

// Timestamp is a time in milliseconds since 1970. Clients may send it as a
// text or as a number, in seconds or in milliseconds.
type Timestamp struct {
	Time time.Time
	// Seconds says that it was given in seconds only.
	Seconds bool
}

// firstMilli is where numbers stop being seconds: in milliseconds it is in
// 1973, in seconds in the year 5138.
const firstMilli = 100_000_000_000

// ParseTimestamp reads the text of a timestamp.
func ParseTimestamp(text string) (Timestamp, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	switch {
	case err != nil || n < 0:
		return Timestamp{}, fmt.Errorf("a timestamp is a number of milliseconds since 1970")
	case n < firstMilli:
		return Timestamp{Time: time.Unix(n, 0), Seconds: true}, nil
	default:
		return Timestamp{Time: time.UnixMilli(n)}, nil
	}
}

// String returns the milliseconds.
func (t Timestamp) String() string {
	if t.Time.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.Time.UnixMilli(), 10)
}

// MarshalJSON returns the milliseconds as a text.
func (t Timestamp) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// UnmarshalJSON takes a text or a number.
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	if text == "" || text == "null" {
		return nil
	}
	parsed, err := ParseTimestamp(text)
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// latest returns the last moment that the timestamp may mean.
func (t Timestamp) latest() time.Time {
	if t.Seconds {
		return t.Time.Add(time.Second - time.Microsecond)
	}
	return t.Time.Add(time.Millisecond - time.Microsecond)
}

func timestampOf(flow store.Flow) Timestamp { return Timestamp{Time: flow.UpdatedAt} }
