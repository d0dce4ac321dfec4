package fake

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// maxBody bounds a request.
const maxBody = 4 << 20

// Options of a server.
type Options struct {
	// Key that requests must carry as a bearer token.
	Key string
	// SlowDelay between the pieces of Slow and Endless. Default 200 ms.
	SlowDelay time.Duration
}

type server struct {
	options Options
	limited atomic.Int64
}

// New returns a handler that serves the protocol below /v1.
func New(o Options) http.Handler {
	if o.SlowDelay == 0 {
		o.SlowDelay = 200 * time.Millisecond
	}
	s := &server{options: o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", s.authorized(s.models))
	mux.HandleFunc("GET /v1/models/{id}", s.authorized(s.model))
	mux.HandleFunc("POST /v1/chat/completions", s.authorized(s.chat))
	mux.HandleFunc("POST /v1/embeddings", s.authorized(s.embeddings))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, apiError{Status: http.StatusNotFound, Type: "invalid_request_error", Message: "Unknown request URL: " + r.Method + " " + r.URL.Path})
	})
	return mux
}

func (s *server) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			fail(w, apiError{
				Status: http.StatusUnauthorized, Type: "invalid_request_error",
				Message: "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth.",
			})
			return
		}
		if subtle.ConstantTimeCompare([]byte(key), []byte(s.options.Key)) != 1 {
			fail(w, wrongKey(key))
			return
		}
		next(w, r)
	}
}

type modelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func newModelObject(id string) modelObject {
	return modelObject{ID: id, Object: "model", Created: created, OwnedBy: "weft-test"}
}

// created stands for every time: answers are always the same.
const created = 1_700_000_000

func (s *server) models(w http.ResponseWriter, _ *http.Request) {
	list := struct {
		Object string        `json:"object"`
		Data   []modelObject `json:"data"`
	}{Object: "list"}
	for _, id := range Models() {
		list.Data = append(list.Data, newModelObject(id))
	}
	reply(w, http.StatusOK, list)
}

func (s *server) model(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !slices.Contains(Models(), id) {
		fail(w, unknownModel(id))
		return
	}
	reply(w, http.StatusOK, newModelObject(id))
}

// decode reads a request strictly, as OpenAI does.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	if contentType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); contentType != "application/json" {
		fail(w, badRequest("", "Expected the content type application/json."))
		return false
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		fail(w, badRequest("", "We could not parse the JSON body of your request: "+err.Error()))
		return false
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		fail(w, badRequest("", "There is more than one JSON value in the body of your request."))
		return false
	}
	return true
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// apiError is an error of the protocol.
type apiError struct {
	Status  int     `json:"-"`
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func fail(w http.ResponseWriter, e apiError) {
	reply(w, e.Status, map[string]apiError{"error": e})
}

func badRequest(param, message string) apiError {
	e := apiError{Status: http.StatusBadRequest, Type: "invalid_request_error", Message: message}
	if param != "" {
		e.Param = &param
	}
	return e
}

func withCode(e apiError, code string) apiError {
	e.Code = &code
	return e
}

func wrongKey(key string) apiError {
	shown := key[:min(len(key), 3)] + "***"
	return withCode(apiError{
		Status: http.StatusUnauthorized, Type: "invalid_request_error",
		Message: "Incorrect API key provided: " + shown + ".",
	}, "invalid_api_key")
}

func unknownModel(id string) apiError {
	return withCode(apiError{
		Status: http.StatusNotFound, Type: "invalid_request_error",
		Message: "The model `" + id + "` does not exist or you do not have access to it.",
	}, "model_not_found")
}
