package connect

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/param"
)

// How the key is sent.
const (
	sendKeyBearer = "bearer"
	sendKeyBasic  = "basic"
	sendKeyHeader = "header"
	sendKeyNot    = "none"
)

// What a body or an answer is.
const (
	typeAuto = "auto"
	typeJSON = "json"
	typeForm = "form"
	typeText = "text"
)

const (
	requestTimeout = 30 * time.Second
	maxRedirects   = 5
	maxPairs       = 50
	maxURL         = 4096
)

// HTTPRequest calls any HTTP service.
func HTTPRequest() *catalog.Component {
	return &catalog.Component{
		Spec: catalog.Spec{
			Type:    "http-request",
			Title:   "HTTP request",
			Group:   catalog.GroupConnect,
			Summary: "Calls the address of another service and gives its answer.",
			Help: "Most services describe their addresses under “API” in their help pages. Enter the address, choose the method that they name, and store the key that they gave you under Credential.\n\n" +
				"An answer in JSON becomes an object whose fields later steps can use; anything else is a text. The step fails when the service answers with an error, unless you switch that off.\n\n" +
				"Only addresses on the public internet can be called, and those that the owner of the workspace has allowed.",
			Inputs: []catalog.Port{{Name: catalog.MainPort, Title: "Value", Type: catalog.Any, Help: "Makes this step wait for an earlier one."}},
			Outputs: []catalog.Port{
				{Name: catalog.MainPort, Title: "Answer", Type: catalog.Any, Help: "An object or list where the service answers with JSON, otherwise a text."},
				{Name: "status", Title: "Status", Type: catalog.Number, Help: "The status code, for example 200."},
				{Name: "headers", Title: "Headers", Type: catalog.Object, Help: "The headers of the answer, by their names in small letters."},
			},
			Fields:     requestFields(),
			Credential: &catalog.CredentialSpec{Provider: "http", Title: "Key of the service"},
			Since:      "0.1",
			Examples: []catalog.Example{
				{Title: "Read something", Params: map[string]any{"url": "https://api.example.com/orders", "query": map[string]any{"customer": "{{ input.email }}"}}},
				{Title: "Send something", Params: map[string]any{
					"method": "POST", "url": "https://api.example.com/contacts", "body": map[string]any{"email": "{{ input.email }}", "tags": []any{"web"}},
				}},
				{Title: "A key in a header of its own", Params: map[string]any{"url": "https://api.example.com/stock", "sendKey": "header", "keyHeader": "X-Api-Key"}},
			},
		},
		Timeout:  requestTimeout,
		Validate: validateRequest,
		Run:      runHTTPRequest,
	}
}

func requestFields() []catalog.Field {
	return []catalog.Field{
		{Name: "method", Label: "Method", Type: catalog.FieldSelect, Default: http.MethodGet, Options: methodOptions(), Help: "GET reads, POST sends; others as the service says."},
		{Name: "url", Label: "Address", Type: catalog.FieldString, Template: true, Required: true, MaxLength: maxURL, Placeholder: "https://api.example.com/orders", Help: "In full, with https://."},
		{Name: "query", Label: "Query", Type: catalog.FieldMap, Template: true, Max: param.Bound(maxPairs), Help: "Names and values added to the address after the question mark, safely written."},
		{Name: "headers", Label: "Headers", Type: catalog.FieldMap, Template: true, Max: param.Bound(maxPairs), Advanced: true, Help: "Further headers of the request. Keys belong under Credential."},
		{Name: "body", Label: "Body", Type: catalog.FieldJSON, Template: true, Help: "What is sent: an object or list with values in it, or a text.", ShownIf: withBody()},
		{
			Name: "bodyType", Label: "Body is sent as", Type: catalog.FieldSelect, Default: typeJSON, Advanced: true, ShownIf: withBody(), Help: "As the service expects it.",
			Options: []catalog.Option{{Value: typeJSON, Label: "JSON"}, {Value: typeForm, Label: "Form"}, {Value: typeText, Label: "Text"}},
		},
		{
			Name: "sendKey", Label: "Send the key", Type: catalog.FieldSelect, Default: sendKeyBearer, Help: "Where the service expects the key that is chosen under Credential.",
			Options: []catalog.Option{
				{Value: sendKeyBearer, Label: "As a bearer token"}, {Value: sendKeyHeader, Label: "In a header"},
				{Value: sendKeyBasic, Label: "As user:password"}, {Value: sendKeyNot, Label: "Not at all"},
			},
		},
		{Name: "keyHeader", Label: "Header for the key", Type: catalog.FieldString, Default: "X-Api-Key", MaxLength: 100, Help: "The header's name.", ShownIf: &catalog.Condition{Field: "sendKey", Values: []string{sendKeyHeader}}},
		{
			Name: "responseType", Label: "Read the answer as", Type: catalog.FieldSelect, Default: typeAuto, Advanced: true, Help: "“As it says” looks at the content type.",
			Options: []catalog.Option{{Value: typeAuto, Label: "As it says"}, {Value: typeJSON, Label: "JSON"}, {Value: typeText, Label: "Text"}},
		},
		{Name: "followRedirects", Label: "Follow redirects", Type: catalog.FieldBoolean, Default: false, Advanced: true, Help: "Go on where the service says that it has moved, up to five times."},
		{Name: "failOnError", Label: "Fail when the service reports an error", Type: catalog.FieldBoolean, Default: true, Advanced: true, Help: "Otherwise the error is an answer like any other; see the status."},
	}
}

func methods() []string {
	return []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead}
}

func methodOptions() []catalog.Option {
	var out []catalog.Option
	for _, method := range methods() {
		out = append(out, catalog.Option{Value: method, Label: method})
	}
	return out
}

func withBody() *catalog.Condition {
	return &catalog.Condition{Field: "method", Values: []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}}
}

func validateRequest(p catalog.Params) []catalog.FieldProblem {
	var problems []catalog.FieldProblem
	if message := checkAddress(param.Text(p, "url"), param.Text(p, "sendKey") != sendKeyNot); message != "" {
		problems = append(problems, catalog.FieldProblem{Field: "url", Message: message})
	}
	for name := range param.Map(p, "headers") {
		if message := checkHeaderName(name); message != "" {
			problems = append(problems, catalog.FieldProblem{Field: "headers", Message: message})
		}
	}
	if message := checkHeaderName(param.Text(p, "keyHeader")); message != "" && param.Text(p, "sendKey") == sendKeyHeader {
		problems = append(problems, catalog.FieldProblem{Field: "keyHeader", Message: message})
	}
	return problems
}

// checkAddress looks at the address before its expressions are evaluated. A key
// goes only to a host that stands in the flow itself: if a value of a caller
// could choose the host, any caller could have the key sent to himself.
func checkAddress(address string, sendsKey bool) string {
	before, _, dynamic := strings.Cut(address, "{{")
	switch {
	case address == "" || (dynamic && before == "" && !sendsKey):
		return ""
	case dynamic && before == "":
		return "must begin with a fixed https://host/ while a key may be sent; otherwise set “Send the key” to “Not at all”"
	}
	scheme, rest, ok := strings.Cut(before, "://")
	if !ok || !slices.Contains([]string{"http", "https"}, strings.ToLower(scheme)) {
		return "must begin with https:// or http://"
	}
	host, _, ended := cutAny(rest, `/?#\`)
	switch {
	case strings.Contains(host, "@"):
		return "must not hold a user name or password; store them as a key and choose it under Credential"
	case dynamic && !ended && sendsKey:
		return "must name a fixed host, followed by /, while a key may be sent; otherwise set “Send the key” to “Not at all”"
	case host == "" && !dynamic:
		return "must name a host, for example https://api.example.com/"
	}
	return ""
}

func cutAny(s, chars string) (before, after string, found bool) {
	i := strings.IndexAny(s, chars)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func runHTTPRequest(ctx context.Context, call *catalog.Call) (catalog.Outputs, error) {
	req, err := newRequest(ctx, call)
	if err != nil {
		return nil, err
	}
	return send(req, call)
}
