package server

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/components/start"
	"github.com/weft-run/weft/runtime/limits"
)

const (
	// bodyTimeout bounds how long a client may take to send a body.
	bodyTimeout = 60 * time.Second
	// bodiesBudget bounds the memory of all bodies that are being read.
	bodiesBudget = 256 << 20
	// maxFormValues bounds the number of fields of a form.
	maxFormValues = 200
	// inputKey is the name of the input in a body.
	inputKey = "input"
)

// readBody reads a body of at most limit bytes. The caller releases it.
func readBody(w http.ResponseWriter, r *http.Request, bodies *limits.Bodies, limit int64) (*limits.Body, *failure) {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
		return nil, refuse(http.StatusInternalServerError, v1alpha1.ErrorInternal, "The request could not be read.")
	}
	body, err := bodies.Read(r.Body, r.ContentLength, limit)
	if err != nil {
		return nil, bodyProblem(err)
	}
	// From here on, a read waits for nothing but the client's leaving, which
	// may take as long as the run.
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		body.Release()
		return nil, refuse(http.StatusInternalServerError, v1alpha1.ErrorInternal, "The request could not be read.")
	}
	return body, nil
}

func bodyProblem(err error) *failure {
	switch {
	case errors.Is(err, limits.ErrTooLarge):
		return refuse(http.StatusRequestEntityTooLarge, v1alpha1.ErrorTooLarge,
			"The request's body is larger than this flow accepts. Send less, or raise exposure.maxBodyBytes of the flow.").with("Connection", "close")
	case errors.Is(err, limits.ErrBusy):
		return refuse(http.StatusServiceUnavailable, v1alpha1.ErrorRateLimited,
			"Too many large requests arrive at once. Try again in a moment.").after(time.Second).with("Connection", "close")
	}
	return refuse(http.StatusBadRequest, v1alpha1.ErrorInvalidInput,
		"The request's body did not arrive as a whole. Send it again.").with("Connection", "close")
}

// isForm says whether a request carries an HTML form.
func isForm(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == "application/x-www-form-urlencoded"
}

func isJSON(r *http.Request) bool {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return false
	}
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

// readInput reads the run's input out of a body.
func readInput(r *http.Request, body []byte, form start.Form) (any, *failure) {
	encoding := r.Header.Get("Content-Encoding")
	switch {
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		return nil, refuse(http.StatusUnsupportedMediaType, v1alpha1.ErrorInvalidInput, "The body must not be compressed.")
	case isForm(r):
		return formInput(body, form)
	case isJSON(r):
		return jsonInput(body, form)
	case len(body) == 0 && r.Header.Get("Content-Type") == "":
		return nil, nil
	}
	return nil, refuse(http.StatusUnsupportedMediaType, v1alpha1.ErrorInvalidInput,
		"Send the input as application/json, or as a form (application/x-www-form-urlencoded).")
}

// formInput makes an object of a form's fields. What is not a field of the
// flow is refused where the input component reads it.
func formInput(body []byte, form start.Form) (any, *failure) {
	values, err := url.ParseQuery(string(body))
	if err != nil || len(values) > maxFormValues {
		return nil, refuse(http.StatusBadRequest, v1alpha1.ErrorInvalidInput, "The form could not be read.")
	}
	fields := make(map[string]any, len(values))
	for name, texts := range values {
		if len(texts) != 1 {
			return nil, refuse(http.StatusBadRequest, v1alpha1.ErrorInvalidInput, "The form holds a field twice.")
		}
		fields[name] = texts[0]
	}
	if text, ok := fields[inputKey]; ok && len(fields) == 1 {
		return text, nil
	}
	if len(form.Fields) == 0 && form.Kind != start.KindChat && len(fields) > 0 {
		return nil, wrongInput()
	}
	return fields, nil
}

// jsonInput reads {"input": value}, or an object with the fields themselves.
func jsonInput(body []byte, form start.Form) (any, *failure) {
	var value any
	if err := decodeJSON(body, &value); err != nil {
		return nil, refuse(http.StatusBadRequest, v1alpha1.ErrorInvalidInput, sentence(err))
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, wrongInput()
	}
	if input, ok := object[inputKey]; ok && len(object) == 1 {
		return input, nil
	}
	if len(form.Fields) == 0 && form.Kind != start.KindChat && len(object) > 0 {
		return nil, wrongInput()
	}
	return object, nil
}

func wrongInput() *failure {
	return refuse(http.StatusBadRequest, v1alpha1.ErrorInvalidInput, `Send an object with the single field "input", for example {"input": "hello"}.`)
}

// sentence makes an error of this package a sentence.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
