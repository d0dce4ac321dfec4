package server

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/start"
	"github.com/weft-run/weft/runtime/credentials"
	"github.com/weft-run/weft/runtime/engine"
	"github.com/weft-run/weft/runtime/graph"
	"github.com/weft-run/weft/runtime/limits"
	"github.com/weft-run/weft/runtime/request"
	"github.com/weft-run/weft/runtime/requesttoken"
)

const (
	maxRevisionFile  = 4 << 20
	defaultBodyBytes = 1 << 20
	defaultRuns      = 64
)

// ProblemsError is a revision that cannot be compiled.
type ProblemsError struct{ Problems []graph.Problem }

// Error names the first problem and how many there are.
func (e *ProblemsError) Error() string {
	first := e.Problems[0]
	return fmt.Sprintf("the flow has %d errors; the first: component %q, field %q: %s", len(e.Problems), first.Component, first.Field, first.Message)
}

// flowHandler executes the one revision of a flow.
type flowHandler struct {
	workspace, name string
	runner          *engine.Runner
	form            start.Form
	page            *page
	// streams holds the components whose pieces of text go to the caller: those
	// whose text is (a part of) the result. The others' are the flow's own
	// matter.
	streams map[string]bool
	maxBody int64

	keys    *credentials.Cache
	bodies  *limits.Bodies
	runs    *limits.Gate
	metrics *metrics
}

// loadRevision reads and compiles the revision that the operator made.
func loadRevision(file string, cat *catalog.Catalog) (*graph.Revision, *graph.Plan, error) {
	data, err := readFile(file, maxRevisionFile)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the revision: %w", err)
	}
	revision := new(graph.Revision)
	if err := json.Unmarshal(data, revision); err != nil {
		return nil, nil, fmt.Errorf("reading the revision: %w", err)
	}
	plan, problems := graph.Compile(&revision.Flow, cat)
	if len(problems) > 0 {
		return nil, nil, &ProblemsError{Problems: problems}
	}
	return revision, plan, nil
}

func newFlowHandler(cfg Config, shared *shared, log *slog.Logger) (*flowHandler, error) {
	revision, plan, err := loadRevision(cfg.RevisionFile, shared.catalog)
	if err != nil {
		return nil, err
	}
	if revision.Workspace != cfg.Workspace || revision.Name != cfg.Name || revision.UID != cfg.Audience {
		return nil, fmt.Errorf("the revision is that of %s/%s, and this pod is %s/%s", revision.Workspace, revision.Name, cfg.Workspace, cfg.Name)
	}
	spec := &revision.Flow
	first, form := inputOf(spec)
	h := &flowHandler{
		workspace: cfg.Workspace, name: cfg.Name, form: form,
		streams: resultStreams(spec, shared.catalog),
		maxBody: spec.Exposure.MaxBodyBytes,
		keys:    credentials.NewCache(shared.vault(cfg), graph.VaultKeys(spec), log),
		bodies:  shared.bodies, runs: limits.NewGate(runsAllowed(spec)),
	}
	h.metrics = newMetrics(h.runs.Inside, shared.leaks.Count)
	if h.maxBody <= 0 {
		h.maxBody = defaultBodyBytes
	}
	if spec.Exposure.Page == v1alpha1.PageForm || spec.Exposure.Page == v1alpha1.PageChat {
		h.page = newPage(spec, cfg.Name, form)
	}
	h.runner = engine.New(plan, engine.Options{
		Credentials: credentials.New(credentials.Files{Dir: cfg.SecretsDir}, h.keys),
		HTTP:        shared.http, Name: cfg.Name, Workspace: cfg.Workspace, Start: first, Leaks: shared.leaks,
	})
	return h, nil
}

func runsAllowed(spec *v1alpha1.FlowSpec) int {
	if n := spec.Runtime.MaxConcurrentRuns; n != nil {
		return int(*n)
	}
	return defaultRuns
}

// inputOf returns the id of the first input component, and its form.
func inputOf(spec *v1alpha1.FlowSpec) (id string, form start.Form) {
	for i := range spec.Components {
		c := &spec.Components[i]
		if c.Type != start.InputType {
			continue
		}
		var params catalog.Params
		if c.Params != nil && json.Unmarshal(c.Params.Raw, &params) != nil {
			params = nil
		}
		return c.ID, start.FormOf(params)
	}
	return "", start.FormOf(nil)
}

func resultStreams(spec *v1alpha1.FlowSpec, cat *catalog.Catalog) map[string]bool {
	terminal := map[string]bool{}
	for i := range spec.Components {
		if c, ok := cat.Lookup(spec.Components[i].Type); ok && c.Terminal {
			terminal[spec.Components[i].ID] = true
		}
	}
	out := map[string]bool{}
	for _, edge := range spec.Edges {
		if terminal[edge.Target] {
			out[edge.Origin] = true
		}
	}
	return out
}

// background work of the handler.
func (h *flowHandler) background(ctx context.Context) { h.keys.Run(ctx) }

func (h *flowHandler) measured() *metrics { return h.metrics }

// serve answers a request whose token is good.
func (h *flowHandler) serve(w http.ResponseWriter, r *http.Request, target request.Target, _ requesttoken.Claims) {
	if target.Kind != request.Flow || target.Workspace != h.workspace || target.Name != h.name || target.Rest != "" {
		replyFailure(w, refuse(http.StatusNotFound, v1alpha1.ErrorInvalidInput, "There is nothing at this address."))
		return
	}
	switch {
	case r.Method == http.MethodPost:
		h.post(w, r)
	case h.page != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		h.page.show(w)
	default:
		replyFailure(w, refuse(http.StatusMethodNotAllowed, v1alpha1.ErrorInvalidInput,
			`Send the input with POST, for example {"input": "hello"}.`).with("Allow", h.allow()))
	}
}

func (h *flowHandler) allow() string {
	if h.page != nil {
		return "GET, HEAD, POST"
	}
	return "POST"
}

func (h *flowHandler) post(w http.ResponseWriter, r *http.Request) {
	asPage := h.page != nil && isForm(r) && wantsPage(r)
	input, problem := h.input(w, r)
	if problem == nil && !h.runs.Enter() {
		problem = refuse(http.StatusTooManyRequests, v1alpha1.ErrorRateLimited,
			"This flow is running as often as it may at the same time. Try again in a moment.").after(time.Second)
		h.metrics.refuse(refusedBusy)
	}
	switch {
	case problem != nil && asPage:
		h.page.showProblem(w, problem, input)
		return
	case problem != nil:
		replyFailure(w, problem)
		return
	}
	defer h.runs.Leave()
	switch {
	case wantsStream(r):
		h.stream(w, r, input)
	case asPage:
		h.answerPage(w, r, input)
	default:
		h.answer(w, r, input)
	}
}

func (h *flowHandler) input(w http.ResponseWriter, r *http.Request) (any, *failure) {
	body, problem := readBody(w, r, h.bodies, h.maxBody)
	if problem != nil {
		h.metrics.refuse(refusedRequest)
		return nil, problem
	}
	defer body.Release()
	input, problem := readInput(r, body.Data, h.form)
	if problem != nil {
		h.metrics.refuse(refusedRequest)
	}
	return input, problem
}

func (h *flowHandler) run(ctx context.Context, input any, sink func(engine.Event)) engine.Result {
	began := time.Now()
	result := h.runner.Run(ctx, input, sink)
	h.metrics.ended(result.Status, time.Since(began))
	if refusedKey(result) {
		h.keys.Expire()
	}
	return result
}

// refusedKey says whether a service refused a key, which may have been
// replaced in the vault since it was fetched.
func refusedKey(result engine.Result) bool {
	return slices.ContainsFunc(result.Errors, func(e engine.RunError) bool { return e.Code == v1alpha1.ErrorUnauthorized })
}

func (h *flowHandler) answer(w http.ResponseWriter, r *http.Request, input any) {
	result := h.run(r.Context(), input, nil)
	if result.Status != engine.Succeeded {
		replyFailure(w, runFailed(result))
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	replyJSON(w, http.StatusOK, success{Success: "true", Result: result.Value})
}

func (h *flowHandler) answerPage(w http.ResponseWriter, r *http.Request, input any) {
	result := h.run(r.Context(), input, nil)
	if result.Status != engine.Succeeded {
		h.page.showProblem(w, runFailed(result), input)
		return
	}
	h.page.showResult(w, result.Value, input)
}

func (h *flowHandler) stream(w http.ResponseWriter, r *http.Request, input any) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	events := startStream(w, cancel)
	defer events.close()
	h.run(ctx, input, func(e engine.Event) {
		if e.Type == engine.ComponentDelta && !h.streams[e.Component] {
			return
		}
		e.Input, e.Output = nil, nil
		events.send(e)
	})
}

func sortedNames(object map[string]any) []string { return slices.Sorted(maps.Keys(object)) }
