// Package e2e proves the whole system on a real cluster, as its users meet it:
// through kubectl, through the portal's HTTP interface and through the address
// of an exposed flow. The browser's part is in browser/.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/weft-run/weft/test/client"
)

// environment is the cluster under test; make e2e sets it.
type environment struct {
	Portal     string // address of the portal
	Kubeconfig string
	Kubectl    string // program to run
}

func cluster(t *testing.T) environment {
	t.Helper()
	env := environment{
		Portal: os.Getenv("WEFT_PORTAL_URL"), Kubeconfig: os.Getenv("KUBECONFIG"), Kubectl: os.Getenv("WEFT_KUBECTL"),
	}
	if env.Portal == "" {
		t.Skip("WEFT_PORTAL_URL is not set: run make e2e")
	}
	if env.Kubectl == "" {
		env.Kubectl = "kubectl"
	}
	return env
}

// kubectl runs kubectl with the given standard input and returns what it
// printed; a failure ends the test.
func (e environment) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := e.tryKubectl(t, stdin, args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (e environment) tryKubectl(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.Kubectl, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// account signs up somebody new, who is deleted at the end of the test.
func (e environment) account(t *testing.T) *client.Portal {
	t.Helper()
	portal := client.New(e.Portal)
	email := fmt.Sprintf("e2e-%d@example.com", time.Now().UnixNano())
	if err := portal.SignUp(t.Context(), "Ada Example", email, "correct horse "+email); err != nil {
		t.Fatalf("signing up: %v", err)
	}
	t.Cleanup(func() {
		if err := portal.DeleteAccount(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("deleting the account: %v", err)
		}
	})
	return portal
}

// answer is what an exposed flow says.
type answer struct {
	Status int
	Body   string
	Result any
}

// call posts an input to an address.
func call(ctx context.Context, url, credential string, input any) (answer, error) {
	body, err := json.Marshal(map[string]any{"input": input})
	if err != nil {
		return answer{}, fmt.Errorf("encoding the input: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return answer{}, fmt.Errorf("making a request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if credential != "" {
		request.Header.Set("Authorization", "Bearer "+credential)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, fmt.Errorf("calling the flow: %w", err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return answer{}, fmt.Errorf("reading the answer: %w", err)
	}
	result := answer{Status: response.StatusCode, Body: string(data)}
	var decoded struct {
		Result any `json:"result"`
	}
	if err := json.Unmarshal(data, &decoded); err == nil {
		result.Result = decoded.Result
	}
	return result, nil
}

// mustCall calls and ends the test when no answer comes.
func mustCall(t *testing.T, url, credential string, input any) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, err := call(ctx, url, credential, input)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// eventually tries until the check says nothing more, or the time is over.
func eventually(t *testing.T, timeout time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(timeout)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", timeout, err)
		}
		<-time.After(200 * time.Millisecond)
	}
}
