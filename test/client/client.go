// Package client is a small client of the portal's HTTP interface for the
// end-to-end tests and the benchmarks. It speaks the owner's bodies as JSON.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 20

// Portal is a signed-in client of one portal.
type Portal struct {
	// URL of the portal, without a slash at the end.
	URL string
	// JWT of the signed-in account; empty before sign-up.
	JWT string

	password string
	http     *http.Client
}

// New returns a client that is not signed in yet.
func New(url string) *Portal {
	return &Portal{URL: url, http: &http.Client{Timeout: 90 * time.Second}}
}

// StatusError is an answer that is not a success.
type StatusError struct {
	Method, Path string
	Status       int
	Body         string
}

// Error returns the call, the status and the body.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s: status %d: %s", e.Method, e.Path, e.Status, e.Body)
}

// Flow is the portal's JSON form of a flow, kept as it came so that a save
// sends back every field.
type Flow map[string]any

// ID of the flow in the portal.
func (f Flow) ID() string { return text(f["id"]) }

// URL at which the flow answers; empty before it has one.
func (f Flow) URL() string { return text(f["url"]) }

func text(value any) string {
	s, ok := value.(string)
	if !ok {
		return ""
	}
	return s
}

// SignUp makes an account and signs in.
func (p *Portal) SignUp(ctx context.Context, name, email, password string) error {
	var answer struct {
		JWT string `json:"jwt"`
	}
	body := map[string]any{"name": name, "email": email, "birth": "17/12/1990", "password": password}
	if err := p.Call(ctx, http.MethodPost, "/signup", body, &answer); err != nil {
		return err
	}
	p.JWT, p.password = answer.JWT, password
	return nil
}

// DeleteAccount deletes the signed-in account and everything that was only its
// own.
func (p *Portal) DeleteAccount(ctx context.Context) error {
	return p.Call(ctx, http.MethodPost, "/account/delete", map[string]any{"password": p.password}, nil)
}

// StoreKey puts an API key into the vault.
func (p *Portal) StoreKey(ctx context.Context, name, key string) (id string, err error) {
	var answer struct {
		ID string `json:"id"`
	}
	err = p.Call(ctx, http.MethodPost, "/apikey/store", map[string]any{"name": name, "key": key}, &answer)
	return answer.ID, err
}

// CreateFlow makes an empty flow.
func (p *Portal) CreateFlow(ctx context.Context) (Flow, error) {
	return p.flow(ctx, http.MethodPost, "/flow/create?template=blanc", nil)
}

// Flow reads a flow.
func (p *Portal) Flow(ctx context.Context, id string) (Flow, error) {
	return p.flow(ctx, http.MethodGet, "/flow/"+id, nil)
}

func (p *Portal) flow(ctx context.Context, method, path string, body any) (Flow, error) {
	var answer struct {
		Flow Flow `json:"flow"`
	}
	err := p.Call(ctx, method, path, body, &answer)
	return answer.Flow, err
}

// Save stores the flow as a new version and brings it into the cluster.
func (p *Portal) Save(ctx context.Context, flow Flow) error {
	timestamp := text(flow["timestamp"])
	if timestamp == "" {
		timestamp = strconv.FormatInt(time.Now().UnixMilli(), 10)
	}
	return p.Call(ctx, http.MethodPost, "/flow/"+flow.ID()+"/save", map[string]any{"timestamp": timestamp, "flow": flow}, nil)
}

// DeleteFlow deletes a flow.
func (p *Portal) DeleteFlow(ctx context.Context, id string) error {
	return p.Call(ctx, http.MethodDelete, "/flow/delete/"+id, nil, nil)
}

// EndpointKey makes an endpoint key for a flow and returns it.
func (p *Portal) EndpointKey(ctx context.Context, flowID, name string) (string, error) {
	var answer struct {
		Key string `json:"key"`
	}
	err := p.Call(ctx, http.MethodPost, "/flow/"+flowID+"/endpoint-keys", map[string]any{"name": name}, &answer)
	return answer.Key, err
}

// Call sends one request with a JSON body and decodes the JSON answer into out,
// which may be nil. An answer that is not a success is a *StatusError.
func (p *Portal) Call(ctx context.Context, method, path string, body, out any) error {
	request, err := p.request(ctx, method, path, body)
	if err != nil {
		return err
	}
	response, err := p.http.Do(request)
	if err != nil {
		return fmt.Errorf("calling the portal: %w", err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the portal's answer: %w", err)
	}
	if response.StatusCode/100 != 2 {
		return &StatusError{Method: method, Path: path, Status: response.StatusCode, Body: string(data)}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("decoding the answer of %s %s: %w", method, path, err)
	}
	return nil
}

func (p *Portal) request(ctx context.Context, method, path string, body any) (*http.Request, error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encoding a request: %w", err)
		}
		reader = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, p.URL+path, reader)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if p.JWT != "" {
		request.Header.Set("Authorization", "Bearer "+p.JWT)
	}
	return request, nil
}
