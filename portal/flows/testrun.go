package flows

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/engine"
	"github.com/weft-run/weft/runtime/graph"
	"github.com/weft-run/weft/runtime/requesttoken"
)

const (
	testRuntime     = "weft-test-runtime"
	testRunPath     = "/test/run"
	maxEventBytes   = 24 << 20
	maxStreamBytes  = 256 << 20
	maxProblemBytes = 64 << 10
)

// errNotUp means that the workspace's test runtime does not answer yet.
var errNotUp = errors.New("the test runtime of the workspace does not answer yet")

// Minter signs request tokens.
type Minter interface {
	Mint(requesttoken.Claims) (string, error)
}

// testClient runs drafts on the test runtime of a workspace.
type testClient struct {
	http *http.Client
	// base is the runtime's address, in which {namespace} stands for the
	// workspace's namespace.
	base   string
	minter Minter
}

// newTestClient returns a client that talks to the address and to nothing
// else: no proxies, no redirects.
func newTestClient(base string, minter Minter) *testClient {
	transport := &http.Transport{
		ResponseHeaderTimeout:  30 * time.Second,
		IdleConnTimeout:        time.Minute,
		MaxIdleConnsPerHost:    4,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &testClient{
		base: base, minter: minter,
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// testRun is one run of a draft.
type testRun struct {
	Workspace string
	// UID of the Workspace object.
	UID     string
	Subject string
	Spec    *v1alpha1.FlowSpec
	Input   json.RawMessage
}

type testRequest struct {
	Flow  *v1alpha1.FlowSpec `json:"flow"`
	Input json.RawMessage    `json:"input,omitempty"`
}

// Run executes the draft and hands each event to the sink, in order. errNotUp
// says that nothing was executed, so that it may be tried again.
func (c *testClient) Run(ctx context.Context, run testRun, sink func(engine.Event)) error {
	request, err := c.request(ctx, run)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return dialFailure(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return answerFailure(response)
	}
	return readEvents(io.LimitReader(response.Body, maxStreamBytes), sink)
}

func (c *testClient) request(ctx context.Context, run testRun) (*http.Request, error) {
	body, err := json.Marshal(testRequest{Flow: run.Spec, Input: run.Input})
	if err != nil {
		return nil, fmt.Errorf("encoding a test run: %w", err)
	}
	token, err := c.minter.Mint(requesttoken.Claims{
		Subject: run.Subject, Audience: run.UID, Method: http.MethodPost, Path: testRunPath,
		Workspace: run.Workspace, Target: testRuntime, Keys: graph.VaultKeys(run.Spec), Previews: true,
	})
	if err != nil {
		return nil, err
	}
	address := strings.ReplaceAll(c.base, "{namespace}", v1alpha1.WorkspaceNamespacePrefix+run.Workspace) + testRunPath
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("preparing a test run: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	request.Header.Set(requesttoken.Header, token)
	return request, nil
}

// dialFailure tells a runtime that is not up from other failures. A Service
// without ready pods refuses connections; one that does not exist has no name.
func dialFailure(err error) error {
	var address *url.Error
	if errors.As(err, &address) && (errors.Is(err, syscall.ECONNREFUSED) || isDial(err)) {
		return fmt.Errorf("%w: %w", errNotUp, err)
	}
	return fmt.Errorf("calling the test runtime: %w", err)
}

// runRefused is the test runtime's answer where it did not run the draft.
type runRefused struct {
	Status  int
	Message string            `json:"message"`
	Errors  []engine.RunError `json:"errors"`
}

// Error returns the message.
func (e *runRefused) Error() string { return e.Message }

func answerFailure(response *http.Response) error {
	if response.StatusCode == http.StatusServiceUnavailable || response.StatusCode == http.StatusBadGateway {
		return errNotUp
	}
	refused := &runRefused{Status: response.StatusCode}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxProblemBytes))
	if err != nil {
		return fmt.Errorf("reading the test runtime's answer: %w", err)
	}
	if err := json.Unmarshal(data, refused); err != nil || refused.Message == "" {
		return fmt.Errorf("the test runtime answered %d", response.StatusCode)
	}
	return refused
}

// readEvents reads server-sent events until the run is over.
func readEvents(from io.Reader, sink func(engine.Event)) error {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(make([]byte, 0, 64<<10), maxEventBytes)
	var data []byte
	for scanner.Scan() {
		line := scanner.Bytes()
		if rest, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			data = append(data, bytes.TrimPrefix(rest, []byte(" "))...)
			continue
		}
		if len(line) > 0 || len(data) == 0 {
			continue
		}
		var event engine.Event
		if err := json.Unmarshal(data, &event); err != nil {
			return fmt.Errorf("reading an event of a test run: %w", err)
		}
		data = data[:0]
		sink(event)
		if event.Type == engine.RunFinished {
			return nil
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("reading a test run: %w", err)
	}
	return errors.New("the test run ended without a result")
}
