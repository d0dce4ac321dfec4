package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/graph"
	"github.com/weft-run/weft/runtime/requesttoken"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
)

// benchPath is the address of the benchmark's flow at a runtime of its own.
const benchPath = "/f/bench/hello"

// peer is one server of the comparison.
type peer struct {
	Name    string
	URL     string
	Headers func() (map[string]string, error)
	rounds  []load
}

func noHeaders() (map[string]string, error) { return nil, nil }

// median is the round with the middle rate.
func (p *peer) median() load {
	rounds := slices.Clone(p.rounds)
	slices.SortFunc(rounds, func(a, b load) int { return int(a.PerSecond - b.PerSecond) })
	return rounds[len(rounds)/2]
}

// measure drives every peer in turn, several times, so that a slow moment of
// the machine does not fall on one of them alone.
func measure(ctx context.Context, peers []*peer, rounds int, length time.Duration) error {
	for round := range rounds {
		for _, p := range peers {
			headers, err := p.Headers()
			if err != nil {
				return err
			}
			result, err := drive(ctx, p.URL, headers, length)
			if err != nil {
				return fmt.Errorf("driving %s: %w", p.Name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d  %-34s %9.0f requests/s  p50 %s  p99 %s  failed %d\n",
				round+1, p.Name, result.PerSecond, result.P50, result.P99, result.Failed)
			p.rounds = append(p.rounds, result)
		}
	}
	return nil
}

// startBare starts the yardstick.
func startBare(ctx context.Context, folder string) (*process, *peer, error) {
	program, err := build(ctx, folder, "./test/bench/bare")
	if err != nil {
		return nil, nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, nil, err
	}
	p, err := start(nil, folder, program, "-listen", address)
	if err != nil {
		return nil, nil, err
	}
	return p, &peer{Name: "(a) bare net/http handler", URL: "http://" + address + "/", Headers: noHeaders}, nil
}

// installNodeRED fetches the peer's packages, once, and returns their folder.
func installNodeRED(ctx context.Context) (string, error) {
	source, err := filepath.Abs("test/bench/nodered")
	if err != nil {
		return "", fmt.Errorf("finding the Node-RED folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(source, "node_modules", "node-red")); err == nil {
		return source, nil
	}
	fmt.Fprintln(os.Stderr, "fetching Node-RED ...")
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = source
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetching Node-RED (Node.js 20 with npm is needed): %w: %s", err, output)
	}
	return source, nil
}

// startNodeRED starts the peer from npm.
func startNodeRED(ctx context.Context, folder string) (*process, *peer, error) {
	source, err := installNodeRED(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range []string{"settings.js", "flows.json"} {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return nil, nil, fmt.Errorf("reading Node-RED's %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			return nil, nil, fmt.Errorf("writing Node-RED's %s: %w", name, err)
		}
	}
	address, err := freeAddress()
	if err != nil {
		return nil, nil, err
	}
	port := address[len("127.0.0.1:"):]
	p, err := start(nil, source, "node", "node_modules/node-red/red.js", "--userDir", folder, "--settings", filepath.Join(folder, "settings.js"), "--port", port, "flows.json")
	if err != nil {
		return nil, nil, err
	}
	return p, &peer{Name: "(d) Node-RED", URL: "http://" + address + "/hello", Headers: noHeaders}, nil
}

// helloFlow is the flow that is measured: input → text-template → output.
func helloFlow() v1alpha1.FlowSpec {
	params := func(text string) *apiruntime.RawExtension { return &apiruntime.RawExtension{Raw: []byte(text)} }
	concurrent := int32(1000)
	return v1alpha1.FlowSpec{
		Title: "Hello",
		Components: []v1alpha1.Component{
			{ID: "start", Type: "input"},
			{ID: "greet", Type: "text-template", Params: params(`{"text":"Hello, {{ input }}! Thank you for your message."}`)},
			{ID: "end", Type: "output"},
		},
		Edges: []v1alpha1.Edge{
			{ID: "e1", Origin: "start", Target: "greet"},
			{ID: "e2", Origin: "greet", Target: "end"},
		},
		Runtime: v1alpha1.Runtime{MaxConcurrentRuns: &concurrent},
	}
}

// startRuntime starts the runtime program with the flow, outside of a cluster,
// and signs the requests to it with a key of the benchmark's own.
func startRuntime(ctx context.Context, folder string) (*process, *peer, error) {
	program, err := build(ctx, folder, "./runtime/cmd/runtime")
	if err != nil {
		return nil, nil, err
	}
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, fmt.Errorf("making a signing key: %w", err)
	}
	env, err := runtimeFiles(folder, private)
	if err != nil {
		return nil, nil, err
	}
	addresses := make([]string, 2)
	for i := range addresses {
		if addresses[i], err = freeAddress(); err != nil {
			return nil, nil, err
		}
	}
	env = append(env, "WEFT_LISTEN="+addresses[0], "WEFT_METRICS_LISTEN="+addresses[1])
	p, err := start(env, folder, program)
	if err != nil {
		return nil, nil, err
	}
	return p, &peer{Name: "(b) runtime alone", URL: "http://" + addresses[0] + benchPath, Headers: tokens(private)}, nil
}

// runtimeFiles writes what a cluster would mount, and returns the environment
// that a cluster would set.
func runtimeFiles(folder string, private ed25519.PrivateKey) ([]string, error) {
	public, ok := private.Public().(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the public key is a %T", private.Public())
	}
	keys, err := requesttoken.NewKeySet(public)
	if err != nil {
		return nil, fmt.Errorf("making a key set: %w", err)
	}
	files := map[string]any{
		"jwks.json":     keys,
		"revision.json": graph.Revision{Workspace: "bench", Name: "hello", UID: "bench-uid", Revision: "bench", Flow: helloFlow()},
	}
	for name, content := range files {
		data, err := json.Marshal(content)
		if err != nil {
			return nil, fmt.Errorf("encoding %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			return nil, fmt.Errorf("writing %s: %w", name, err)
		}
	}
	return []string{
		"WEFT_MODE=flow", "WEFT_WORKSPACE=bench", "WEFT_NAME=hello", "WEFT_AUDIENCE=bench-uid",
		"WEFT_REVISION_FILE=" + filepath.Join(folder, "revision.json"),
		"WEFT_TRUST_FILE=" + filepath.Join(folder, "jwks.json"),
		"WEFT_SECRETS_DIR=" + folder, "GOMEMLIMIT=3686MiB", "GOGC=400",
	}, nil
}

// tokens returns a function that mints a fresh token for a round.
func tokens(private ed25519.PrivateKey) func() (map[string]string, error) {
	return func() (map[string]string, error) {
		signer, err := requesttoken.NewSigner(private)
		if err != nil {
			return nil, fmt.Errorf("making a signer: %w", err)
		}
		token, err := signer.Mint(requesttoken.Claims{
			Subject: requesttoken.SubjectKey + "bench", Audience: "bench-uid", Method: http.MethodPost, Path: benchPath,
			Workspace: "bench", Target: "hello",
		})
		if err != nil {
			return nil, fmt.Errorf("minting a token: %w", err)
		}
		return map[string]string{requesttoken.Header: token}, nil
	}
}
