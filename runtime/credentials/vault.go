package credentials

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/requesttoken"
)

const (
	fetchPath    = "/internal/vault/fetch"
	fetchTimeout = 5 * time.Second
	maxReply     = 1 << 20
	maxToken     = 64 << 10
)

var (
	// ErrDenied says that the vault has no such key for this pod.
	ErrDenied = errors.New("the vault denied the key")
	// ErrUnavailable says that the vault did not answer, or answered nonsense.
	ErrUnavailable = errors.New("the vault is not available")
)

// Vault fetches keys from the portal's vault.
type Vault struct {
	// URL of the vault, without a path.
	URL string
	// TokenFile holds the ServiceAccount token that says who this pod is. The
	// kubelet replaces it before it expires; it is read for each request.
	TokenFile string

	client *http.Client
}

// NewVault returns a client of the vault at the URL.
func NewVault(url, tokenFile string) *Vault {
	return &Vault{URL: strings.TrimRight(url, "/"), TokenFile: tokenFile, client: newClient()}
}

// newClient reaches the vault and nothing else: the way there is not one that
// a flow can choose, so that the guarded client is not needed.
func newClient() *http.Client {
	return &http.Client{
		Timeout: fetchTimeout,
		Transport: &http.Transport{
			Proxy:                  nil,
			MaxResponseHeaderBytes: 16 << 10,
			MaxIdleConnsPerHost:    2,
			IdleConnTimeout:        90 * time.Second,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Fetch returns the values of the names. The request token, if any, is that of
// the test run for which the keys are fetched. Errors wrap ErrDenied or
// ErrUnavailable.
func (v *Vault) Fetch(ctx context.Context, names []string, requestToken string) (map[string]catalog.Secret, error) {
	req, err := v.request(ctx, names, requestToken)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
		return decodeKeys(resp.Body, names)
	case http.StatusForbidden, http.StatusNotFound:
		return nil, fmt.Errorf("%w: status %d", ErrDenied, resp.StatusCode)
	}
	return nil, fmt.Errorf("%w: status %d", ErrUnavailable, resp.StatusCode)
}

func (v *Vault) request(ctx context.Context, names []string, requestToken string) (*http.Request, error) {
	token, err := readToken(v.TokenFile)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string][]string{"names": names})
	if err != nil {
		return nil, fmt.Errorf("encoding the request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.URL+fetchPath, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("making the request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if requestToken != "" {
		req.Header.Set(requesttoken.Header, requestToken)
	}
	return req, nil
}

func readToken(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("opening the pod's token: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxToken))
	if err != nil {
		return "", fmt.Errorf("reading the pod's token: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

func decodeKeys(body io.Reader, names []string) (map[string]catalog.Secret, error) {
	var reply struct {
		Keys map[string]struct {
			Value string `json:"value"`
		} `json:"keys"`
	}
	data, err := io.ReadAll(io.LimitReader(body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("%w: reading the answer: %w", ErrUnavailable, err)
	}
	// The decoder's own errors may quote what they stumble over.
	if json.Unmarshal(data, &reply) != nil {
		return nil, fmt.Errorf("%w: the answer is not what was expected", ErrUnavailable)
	}
	keys := make(map[string]catalog.Secret, len(names))
	for _, name := range names {
		key, ok := reply.Keys[name]
		if !ok || key.Value == "" {
			return nil, fmt.Errorf("%w: the answer lacks a key", ErrUnavailable)
		}
		keys[name] = catalog.NewSecret(key.Value)
	}
	return keys, nil
}
