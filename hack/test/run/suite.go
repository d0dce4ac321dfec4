package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/weft-run/weft/hack/test/internal/results"
	"github.com/weft-run/weft/hack/test/internal/servers"
)

// Time limits. Those of go test are for one package, so that one that hangs
// shows its goroutines.
const (
	packageTimeout = "15m"
	stepTimeout    = 60 * time.Minute
)

// suite runs the steps in a repository.
type suite struct {
	root string
	out  io.Writer
}

// follow runs all steps, also after one that failed, and closes with the count.
func (s *suite) follow(ctx context.Context, plan []step) error {
	var total results.Count
	var failures []error
	for _, step := range plan {
		begin := time.Now()
		s.say("=== %s\n", step.name)
		count, err := s.within(ctx, step)
		total = total.Add(count)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", step.name, err))
		}
		s.say("=== %s: %s, %s\n\n", step.name, verdict(count, err), time.Since(begin).Round(time.Second))
	}
	for _, f := range failures {
		s.say("failed: %v\n", f)
	}
	// The count is a line of its own: a reader may look for exactly that.
	s.say("%s\n", total)
	if total.Failed > 0 {
		failures = append(failures, fmt.Errorf("%d tests failed", total.Failed))
	}
	return errors.Join(failures...)
}

func (s *suite) within(ctx context.Context, st step) (results.Count, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	return st.do(ctx)
}

func verdict(count results.Count, err error) string {
	switch {
	case err != nil || count.Failed > 0:
		return fmt.Sprintf("FAILED (%s)", count)
	case count == (results.Count{}):
		return "ok"
	}
	return "ok (" + count.String() + ")"
}

// makes returns a step that makes a target; it has no tests to count.
func (s *suite) makes(target string) func(context.Context) (results.Count, error) {
	return func(ctx context.Context) (results.Count, error) {
		return results.Count{}, s.command(ctx, s.root, nil, "make", target)
	}
}

// toolModules are the modules beside the product.
func toolModules() []string { return []string{"hack/cluster", "hack/dev", "hack/image"} }

// unit tests all modules without any server.
func (s *suite) unit(ctx context.Context) (results.Count, error) {
	count, err := s.goTest(ctx, s.root, bare(), "./...")
	more, errTools := s.tools(ctx)
	return count.Add(more), errors.Join(err, errTools)
}

// tools tests the modules beside the product.
func (s *suite) tools(ctx context.Context) (results.Count, error) {
	var total results.Count
	var failures []error
	for _, m := range toolModules() {
		count, err := s.goTest(ctx, filepath.Join(s.root, m), bare(), "./...")
		total = total.Add(count)
		failures = append(failures, err)
	}
	return total, errors.Join(failures...)
}

// integration tests the product with real servers, and the model vendor's
// server of the tests with the vendor's own client.
func (s *suite) integration(ctx context.Context) (count results.Count, err error) {
	assets, err := s.output(ctx, filepath.Join(s.root, "hack", "cluster"), "go", "run", "./cmd/cluster", "assets")
	if err != nil {
		return count, err
	}
	dir, err := os.MkdirTemp("", "weft-services-")
	if err != nil {
		return count, fmt.Errorf("making a directory for the servers: %w", err)
	}
	db := servers.New(dir)
	defer func() { err = errors.Join(err, db.Stop(context.WithoutCancel(ctx)), os.RemoveAll(dir)) }()
	if err := db.Start(ctx); err != nil {
		return count, err
	}
	env := append(bare(), db.Environment()...)
	env = append(env, "KUBEBUILDER_ASSETS="+assets)
	count, errGo := s.goTest(ctx, s.root, env, "./...")
	more, errNode := s.node(ctx, filepath.Join(s.root, "test", "openai", "client"), bare())
	return count.Add(more), errors.Join(errGo, errNode)
}

// endToEnd tests the running system through kubectl, HTTP and a browser.
func (s *suite) endToEnd(ctx context.Context) (results.Count, error) {
	env, err := s.clusterEnvironment(ctx)
	if err != nil {
		return results.Count{}, fmt.Errorf("finding the running system (make up starts it): %w", err)
	}
	count, errGo := s.goTest(ctx, s.root, env, "-count=1", "./test/e2e/...")
	more, errNode := s.node(ctx, filepath.Join(s.root, "test", "e2e", "browser"), env)
	return count.Add(more), errors.Join(errGo, errNode)
}

// clusterEnvironment says where the running system is.
func (s *suite) clusterEnvironment(ctx context.Context) ([]string, error) {
	portal, err := s.output(ctx, s.root, "make", "-s", "url")
	if err != nil {
		return nil, err
	}
	kubeconfig, err := s.output(ctx, s.root, "make", "-s", "kubeconfig")
	if err != nil {
		return nil, err
	}
	assets, err := s.output(ctx, filepath.Join(s.root, "hack", "cluster"), "go", "run", "./cmd/cluster", "assets")
	if err != nil {
		return nil, err
	}
	return append(bare(), "WEFT_PORTAL_URL="+portal, "KUBECONFIG="+kubeconfig, "WEFT_KUBECTL="+filepath.Join(assets, "kubectl")), nil
}

// bare is our environment without what would bring servers into unit tests.
func bare() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "WEFT_TEST_DATABASE_URL=") || strings.HasPrefix(v, "WEFT_TEST_REDIS_URL=") ||
			strings.HasPrefix(v, "WEFT_PORTAL_URL=") || strings.HasPrefix(v, "KUBEBUILDER_ASSETS=") || strings.HasPrefix(v, "KUBECONFIG=")
	})
}

// say writes for a person; nobody is left to tell when that fails.
func (s *suite) say(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format, args...) }
