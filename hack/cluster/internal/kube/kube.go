// Package kube asks the API server the few things the orchestrator needs to
// know. A client library would take longer to compile than everything else here.
package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/weft-run/weft/hack/cluster/internal/certs"
	"github.com/weft-run/weft/hack/cluster/internal/layout"
)

const (
	requestTimeout = 10 * time.Second
	bodyLimit      = 8 << 20 // bytes
)

// Client speaks to one API server.
type Client struct {
	base string
	http *http.Client
}

// Admin returns a client with the administrator's rights.
func Admin(state layout.State) (*Client, error) {
	config, err := certs.ClientTLS(state)
	if err != nil {
		return nil, err
	}
	return New(layout.APIServerURL(), config), nil
}

// New returns a client for the server at base.
func New(base string, config *tls.Config) *Client {
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}
	return &Client{base: base, http: &http.Client{Transport: transport, Timeout: requestTimeout}}
}

// Ready succeeds when the API server says that it is ready.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.do(ctx, http.MethodGet, "/readyz", "", nil)
	return err
}

// Get reads an object into out.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	data, err := c.do(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("decode %s: %w", path, err)
	}
	return nil
}

// Merge applies a JSON merge patch to an object.
func (c *Client) Merge(ctx context.Context, path string, patch any) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encode a patch of %s: %w", path, err)
	}
	_, err = c.do(ctx, http.MethodPatch, path, "application/merge-patch+json", body)
	return err
}

// errNotFound is the API server's answer for what does not exist.
var errNotFound = errors.New("not found")

func (c *Client) do(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	request.Header.Set("Accept", "application/json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the API server: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(response.Body, bodyLimit))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if response.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("%s %s: %w (%s)", method, path, errNotFound, response.Status)
	}
	if response.StatusCode/100 != 2 {
		return nil, fmt.Errorf("%s %s: %s: %.200s", method, path, response.Status, data)
	}
	return data, nil
}
