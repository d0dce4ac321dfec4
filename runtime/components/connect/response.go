package connect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/param"
	"github.com/weft-run/weft/runtime/guard"
	"github.com/weft-run/weft/runtime/llm/scrub"
)

func send(req *http.Request, call *catalog.Call) (catalog.Outputs, error) {
	resp, err := call.HTTP.Do(req)
	if err != nil {
		return nil, guard.Explain(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusBadRequest && param.Bool(call.Params, "failOnError") {
		return nil, statusProblem(resp)
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, guard.Explain(err)
	}
	value, err := decode(data, resp.Header.Get("Content-Type"), param.Text(call.Params, "responseType"))
	if err != nil {
		return nil, err
	}
	// Some services repeat the request, and with it the key, in their answer.
	return catalog.Outputs{
		catalog.MainPort: scrub.Value(value, call.Credential),
		"status":         float64(resp.StatusCode),
		"headers":        scrub.Value(headersOf(resp.Header), call.Credential),
	}, nil
}

func decode(data []byte, contentType, as string) (any, error) {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		mediaType, params = "", nil
	}
	saysJSON := mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
	if as == typeJSON || (as == typeAuto && saysJSON) {
		if len(data) == 0 {
			return nil, nil
		}
		var value any
		if err := json.Unmarshal(data, &value); err != nil {
			return nil, &catalog.Error{
				Code:    v1alpha1.ErrorUpstream,
				Message: "The service's answer is not valid JSON. Check the address, or read the answer as text.",
			}
		}
		return value, nil
	}
	return decodeText(data, params["charset"]), nil
}

// decodeText reads UTF-8, and the one other encoding that is still common.
func decodeText(data []byte, charset string) string {
	switch strings.ToLower(charset) {
	case "iso-8859-1", "latin1", "us-ascii", "windows-1252":
		if utf8.Valid(data) {
			return string(data)
		}
		runes := make([]rune, len(data))
		for i, b := range data {
			runes[i] = rune(b)
		}
		return string(runes)
	}
	return strings.ToValidUTF8(string(data), "\uFFFD")
}

func headersOf(header http.Header) map[string]any {
	out := make(map[string]any, len(header))
	for name, values := range header {
		out[strings.ToLower(name)] = strings.ToValidUTF8(strings.Join(values, ", "), "\uFFFD")
	}
	return out
}

func statusProblem(resp *http.Response) error {
	code, advice := v1alpha1.ErrorUpstream, "Check the address and what is sent."
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		code, advice = v1alpha1.ErrorUnauthorized, "Check the key, and how it is sent."
	case resp.StatusCode == http.StatusTooManyRequests:
		code, advice = v1alpha1.ErrorRateLimited, "It gets too many requests; try again later."
	case resp.StatusCode >= http.StatusInternalServerError:
		advice = "It has trouble itself; try again later."
	}
	return &catalog.Error{
		Code:       code,
		Message:    fmt.Sprintf("The service answered with status %d%s. %s", resp.StatusCode, reason(resp.StatusCode), advice),
		Cause:      errors.New("status " + strconv.Itoa(resp.StatusCode)),
		RetryAfter: retryAfter(resp.Header),
	}
}

func reason(status int) string {
	if text := http.StatusText(status); text != "" {
		return " (" + text + ")"
	}
	return ""
}

func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 || seconds > 24*60*60 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
