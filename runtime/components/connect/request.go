package connect

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/param"
	"github.com/weft-run/weft/runtime/expr"
	"github.com/weft-run/weft/runtime/guard"
)

// userAgent tells services who calls.
const userAgent = "Weft (+https://weft.run)"

func newRequest(ctx context.Context, call *catalog.Call) (*http.Request, error) {
	address, err := addressOf(call.Params)
	if err != nil {
		return nil, err
	}
	method := param.Text(call.Params, "method")
	body, contentType, err := bodyOf(method, call.Params)
	if err != nil {
		return nil, err
	}
	if param.Bool(call.Params, "followRedirects") {
		ctx = guard.FollowRedirects(ctx, maxRedirects)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, invalid("The address is not valid. Check what is filled into it.")
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "application/json, text/*;q=0.9, */*;q=0.5")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if err := setHeaders(req.Header, param.Map(call.Params, "headers")); err != nil {
		return nil, err
	}
	return req, setKey(req.Header, call)
}

func addressOf(p catalog.Params) (string, error) {
	u, err := url.Parse(strings.TrimSpace(param.Text(p, "url")))
	if err != nil {
		return "", invalid("The address is not valid. Check what is filled into it.")
	}
	query := u.Query()
	for name, value := range param.Map(p, "query") {
		query.Set(name, expr.Text(value))
	}
	u.RawQuery = query.Encode()
	u.Fragment = ""
	return u.String(), nil
}

func bodyOf(method string, p catalog.Params) (body io.Reader, contentType string, err error) {
	value, sent := p["body"]
	if !sent || value == nil || !slices.Contains(withBody().Values, method) {
		return http.NoBody, "", nil
	}
	switch param.Text(p, "bodyType") {
	case typeForm:
		text, err := formBody(value)
		return strings.NewReader(text), "application/x-www-form-urlencoded", err
	case typeText:
		return strings.NewReader(expr.Text(value)), "text/plain; charset=utf-8", nil
	default:
		text, err := jsonBody(value)
		return strings.NewReader(text), "application/json", err
	}
}

// jsonBody writes a value as JSON. A text is JSON already, or becomes a JSON
// text.
func jsonBody(value any) (string, error) {
	if text, ok := value.(string); ok && json.Valid([]byte(text)) {
		return text, nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return "", invalid("The body cannot be written as JSON.")
	}
	return string(data), nil
}

func formBody(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case map[string]any:
		form := url.Values{}
		for name, item := range v {
			form.Set(name, expr.Text(item))
		}
		return form.Encode(), nil
	}
	return "", invalid("A body that is sent as a form must be an object with names and values.")
}

func setHeaders(header http.Header, values map[string]any) error {
	for name, value := range values {
		text := expr.Text(value)
		if checkHeaderName(name) != "" || !httpguts.ValidHeaderFieldValue(text) {
			return invalid("A header cannot be sent. Header names and values must not hold line breaks.")
		}
		header.Set(name, text)
	}
	return nil
}

// checkHeaderName refuses names that are none, and headers that the connection
// itself needs.
func checkHeaderName(name string) string {
	if !httpguts.ValidHeaderFieldName(name) {
		return "must hold names of headers: letters, digits and -"
	}
	reserved := []string{
		"Connection", "Content-Length", "Host", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	}
	if slices.Contains(reserved, http.CanonicalHeaderKey(name)) {
		return "must not hold " + http.CanonicalHeaderKey(name) + ", which is set by itself"
	}
	return ""
}

func setKey(header http.Header, call *catalog.Call) error {
	if call.Credential.Empty() {
		return nil
	}
	key := call.Credential.Reveal()
	if !httpguts.ValidHeaderFieldValue(key) {
		return &catalog.Error{Code: v1alpha1.ErrorUnauthorized, Message: "The key holds a line break or another character that cannot be sent. Store it again."}
	}
	switch param.Text(call.Params, "sendKey") {
	case sendKeyBearer:
		header.Set("Authorization", "Bearer "+key)
	case sendKeyBasic:
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(key)))
	case sendKeyHeader:
		header.Set(param.Text(call.Params, "keyHeader"), key)
	}
	return nil
}

func invalid(message string) error {
	return &catalog.Error{Code: v1alpha1.ErrorInvalidInput, Message: message}
}
