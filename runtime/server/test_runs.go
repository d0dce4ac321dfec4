package server

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/credentials"
	"github.com/weft-run/weft/runtime/engine"
	"github.com/weft-run/weft/runtime/graph"
	"github.com/weft-run/weft/runtime/limits"
	"github.com/weft-run/weft/runtime/request"
	"github.com/weft-run/weft/runtime/requesttoken"
)

const (
	// testRuns is how many drafts are run at the same time.
	testRuns = 16
	// maxDraftBody bounds a draft with its input.
	maxDraftBody = 4 << 20
)

// testHandler executes the drafts that it is sent.
type testHandler struct {
	cfg     Config
	shared  *shared
	vault   credentials.Fetcher
	runs    *limits.Gate
	metrics *metrics
}

func newTestHandler(cfg Config, shared *shared) *testHandler {
	h := &testHandler{cfg: cfg, shared: shared, vault: shared.vault(cfg), runs: limits.NewGate(testRuns)}
	h.metrics = newMetrics(h.runs.Inside, shared.leaks.Count)
	return h
}

func (h *testHandler) background(context.Context) {}

func (h *testHandler) measured() *metrics { return h.metrics }

func (h *testHandler) serve(w http.ResponseWriter, r *http.Request, target request.Target, claims requesttoken.Claims) {
	switch {
	case target.Kind != request.Test:
		replyFailure(w, refuse(http.StatusNotFound, v1alpha1.ErrorInvalidInput, "There is nothing at this address."))
		return
	case r.Method != http.MethodPost:
		replyFailure(w, refuse(http.StatusMethodNotAllowed, v1alpha1.ErrorInvalidInput, "Send the draft with POST.").with("Allow", "POST"))
		return
	}
	spec, input, problem := h.draft(w, r)
	if problem != nil {
		h.metrics.refuse(refusedRequest)
		replyFailure(w, problem)
		return
	}
	if !h.runs.Enter() {
		h.metrics.refuse(refusedBusy)
		replyFailure(w, refuse(http.StatusTooManyRequests, v1alpha1.ErrorRateLimited,
			"Too many test runs are under way in this workspace. Try again in a moment.").after(time.Second))
		return
	}
	defer h.runs.Leave()
	h.run(w, r, spec, input, claims)
}

// draft reads the body {"flow": …, "input": …}.
func (h *testHandler) draft(w http.ResponseWriter, r *http.Request) (*v1alpha1.FlowSpec, any, *failure) {
	if !isJSON(r) || r.Header.Get("Content-Encoding") != "" {
		return nil, nil, refuse(http.StatusUnsupportedMediaType, v1alpha1.ErrorInvalidInput, "Send the draft as application/json.")
	}
	body, problem := readBody(w, r, h.shared.bodies, maxDraftBody)
	if problem != nil {
		return nil, nil, problem
	}
	defer body.Release()
	fields := map[string]json.RawMessage{}
	if err := decodeJSON(body.Data, &fields); err != nil {
		return nil, nil, refuse(http.StatusBadRequest, v1alpha1.ErrorInvalidInput, sentence(err))
	}
	var input any
	for name, raw := range fields {
		switch name {
		case "flow":
		case inputKey:
			if json.Unmarshal(raw, &input) != nil {
				return nil, nil, refuse(http.StatusBadRequest, v1alpha1.ErrorInvalidInput, sentence(errNotJSON))
			}
		default:
			return nil, nil, refuse(http.StatusBadRequest, v1alpha1.ErrorInvalidInput, `The body may hold "flow" and "input" only.`)
		}
	}
	spec, problems := graph.Decode(fields["flow"])
	if len(problems) > 0 {
		return nil, nil, flowProblems(problems)
	}
	return spec, input, nil
}

func (h *testHandler) run(w http.ResponseWriter, r *http.Request, spec *v1alpha1.FlowSpec, input any, claims requesttoken.Claims) {
	plan, problems := graph.Compile(spec, h.shared.catalog)
	if len(problems) > 0 {
		h.metrics.refuse(refusedRequest)
		replyFailure(w, flowProblems(problems))
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	keys := credentials.NewRunKeys(h.vault, r.Header.Get(requesttoken.Header))
	keys.Prefetch(ctx, graph.VaultKeys(spec))
	first, _ := inputOf(spec)
	runner := engine.New(plan, engine.Options{
		Credentials: credentials.New(credentials.Files{Dir: h.cfg.SecretsDir}, keys),
		HTTP:        h.shared.http, Name: h.cfg.Name, Workspace: h.cfg.Workspace, Start: first, Test: true, Leaks: h.shared.leaks,
	})
	began := time.Now()
	var result engine.Result
	if wantsStream(r) || !accepts(r, "application/json") {
		events := startStream(w, cancel)
		result = runner.Run(ctx, input, func(e engine.Event) { events.send(preview(e, claims)) })
		events.close()
	} else {
		result = h.whole(ctx, w, runner, input, claims)
	}
	h.metrics.ended(result.Status, time.Since(began))
}

// whole answers when the run is over, with what became of each component.
func (h *testHandler) whole(ctx context.Context, w http.ResponseWriter, runner *engine.Runner, input any, claims requesttoken.Claims) engine.Result {
	components := []engine.Event{}
	result := runner.Run(ctx, input, func(e engine.Event) {
		if e.Type == engine.ComponentFinished {
			components = append(components, preview(e, claims))
		}
	})
	answer := struct {
		Success    string            `json:"success"`
		Message    string            `json:"message,omitempty"`
		Run        string            `json:"run"`
		Result     any               `json:"result"`
		Components []engine.Event    `json:"components"`
		Errors     []engine.RunError `json:"errors"`
	}{Success: "true", Run: result.Run, Result: result.Value, Components: components, Errors: result.Errors}
	status := http.StatusOK
	if result.Status != engine.Succeeded {
		problem := runFailed(result)
		answer.Success, answer.Message, status = "false", problem.Message, problem.status
		problem.writeHeaders(w)
	}
	w.Header().Set("Cache-Control", "no-store")
	replyJSON(w, status, answer)
	return result
}

// preview leaves inputs and outputs in an event only where the token says that
// the person may see them.
func preview(e engine.Event, claims requesttoken.Claims) engine.Event {
	if !claims.Previews {
		e.Input, e.Output = nil, nil
	}
	return e
}
