// Package catalog describes component types as data. From one Spec come
// validation, the editor's form, the plain form, JSON Schema, the docs page and
// the scrubbing of secrets.
package catalog

// PortType is the type of the values that pass through a port.
type PortType string

// The port types. Any fits every other.
const (
	Text     PortType = "text"
	Number   PortType = "number"
	Boolean  PortType = "boolean"
	Date     PortType = "date"
	Object   PortType = "object"
	List     PortType = "list"
	File     PortType = "file"
	Document PortType = "documents"
	Message  PortType = "message"
	Any      PortType = "any"
)

// MainPort is the name of the port that an edge means when it names none.
const MainPort = "main"

// ErrorPort is the name of the port that every component has beside its own,
// out of which its error goes where onError says Route.
const ErrorPort = "error"

// FieldType is the kind of value that a field holds, and so its form control.
type FieldType string

// The field types.
const (
	FieldString     FieldType = "string"     // one line of text
	FieldText       FieldType = "text"       // many lines of text
	FieldNumber     FieldType = "number"     // a number, between Min and Max
	FieldBoolean    FieldType = "boolean"    // yes or no
	FieldSelect     FieldType = "select"     // one of Options
	FieldCondition  FieldType = "condition"  // an expression that yields yes or no
	FieldMap        FieldType = "map"        // names and texts, in order of name
	FieldList       FieldType = "list"       // objects with the fields of Items
	FieldJSON       FieldType = "json"       // any JSON value
	FieldStringList FieldType = "stringList" // texts
)

// Group is the place of a component type in the list of steps.
type Group string

// The groups, in the order in which they are shown.
const (
	GroupStart   Group = "Start"
	GroupAI      Group = "AI"
	GroupLogic   Group = "Logic"
	GroupConnect Group = "Connect"
	GroupFiles   Group = "Files"
	GroupEnd     Group = "End"
)

// Spec describes a component type.
type Spec struct {
	// Type is its name in a flow, for example openai-chat.
	Type string `json:"type"`
	// Title for people.
	Title string `json:"title"`
	// Group is its place in the list of steps.
	Group Group `json:"group"`
	// Summary says in one sentence what it does.
	Summary string `json:"summary"`
	// Help is the text of its docs page, in plain paragraphs.
	Help string `json:"help,omitempty"`
	// Inputs are the ports that edges may enter; the first is the main one.
	Inputs []Port `json:"inputs,omitempty"`
	// Outputs are the ports that edges may leave; the first is the main one.
	Outputs []Port `json:"outputs,omitempty"`
	// Fields are its params.
	Fields []Field `json:"fields,omitempty"`
	// Credential that it uses, if any.
	Credential *CredentialSpec `json:"credential,omitempty"`
	// Trigger: a run may start here.
	Trigger bool `json:"trigger,omitempty"`
	// Terminal: its input is (a part of) the run's result.
	Terminal bool `json:"terminal,omitempty"`
	// Since is the version of Weft that first had it.
	Since string `json:"since,omitempty"`
	// Examples of its params, with what they do.
	Examples []Example `json:"examples,omitempty"`
}

// Port is one way into or out of a component.
type Port struct {
	Name  string   `json:"name"`
	Title string   `json:"title,omitempty"`
	Type  PortType `json:"type"`
	Help  string   `json:"help,omitempty"`
	// Streams: an output port that may deliver text piece by piece.
	Streams bool `json:"streams,omitempty"`
}

// CredentialSpec says which kind of key a component uses.
type CredentialSpec struct {
	// Provider is the kind of key, for example openai.
	Provider string `json:"provider"`
	// Title for people, for example "OpenAI key".
	Title string `json:"title"`
	// Required: the component cannot run without it.
	Required bool `json:"required,omitempty"`
}

// Field describes one param.
type Field struct {
	Name  string    `json:"name"`
	Label string    `json:"label"`
	Help  string    `json:"help,omitempty"`
	Type  FieldType `json:"type"`
	// Template: text in which {{ … }} is replaced by the value of an
	// expression. In FieldMap and FieldList it holds for each text.
	Template bool `json:"template,omitempty"`
	Required bool `json:"required,omitempty"`
	// Default is a JSON value: string, float64, bool, []any, map[string]any.
	Default any `json:"default,omitempty"`
	// Min and Max bound a number, or the number of items.
	Min *float64 `json:"min,omitempty"`
	Max *float64 `json:"max,omitempty"`
	// Integer: a number without a fraction.
	Integer bool `json:"integer,omitempty"`
	// MaxLength bounds a text, in bytes. 0 means the bound of all params.
	MaxLength int `json:"maxLength,omitempty"`
	// Options of a FieldSelect.
	Options []Option `json:"options,omitempty"`
	// Items are the fields of the objects of a FieldList.
	Items []Field `json:"items,omitempty"`
	// Secret: never shown, logged or put into an event.
	Secret bool `json:"secret,omitempty"`
	// ShownIf: the field counts only where another one has one of these values.
	ShownIf *Condition `json:"shownIf,omitempty"`
	// Advanced: shown after "more settings".
	Advanced bool `json:"advanced,omitempty"`
	// Placeholder is an example shown in the empty control.
	Placeholder string `json:"placeholder,omitempty"`
}

// Condition holds where the named field has one of the values.
type Condition struct {
	Field  string   `json:"field"`
	Values []string `json:"values"`
}

// Option of a FieldSelect.
type Option struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

// Example of a component's params.
type Example struct {
	Title  string         `json:"title"`
	Params map[string]any `json:"params"`
}
