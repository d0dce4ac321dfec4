package flows

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/portal/server"
	"github.com/weft-run/weft/runtime/engine"
)

// runRequest is the body of a test run; all of it may be absent.
type runRequest struct {
	// Input of the run. Absent: what was kept with the draft.
	Input json.RawMessage `json:"input,omitempty"`
	// Flow to run instead of the draft. It is not kept.
	Flow json.RawMessage `json:"flow,omitempty"`
}

// RunResponse is the answer to a test run.
type RunResponse struct {
	Success string `json:"success"`
	Message string `json:"message"`
	// Result of the run.
	Result any `json:"result"`
	// Run is its id.
	Run string `json:"run"`
	// Components are the steps with what they were given and gave.
	Components []RunStep         `json:"components"`
	Errors     []engine.RunError `json:"errors,omitempty"`
	DurationMs float64           `json:"durationMs"`
}

// ranMessage is the owner's text, to the letter.
const ranMessage = "Flow ran successfully"

// noSteps is the answer to a run of nothing.
const noSteps = "This flow has no steps yet. Add a step first, then run it."

// lookOnAfter is how long a form's run is waited for before a page shows how
// far it is.
const lookOnAfter = 6 * time.Second

func (m *Module) run(w http.ResponseWriter, r *http.Request) error {
	l, err := m.load(r)
	if err != nil {
		return err
	}
	if isForm(r) {
		return m.runPost(w, r, l)
	}
	request, err := server.Bind[runRequest](r)
	if err != nil {
		return err
	}
	body := Body{Spec: l.Body.Spec, Input: l.Body.Input}
	if len(request.Input) > 0 {
		body.Input = request.Input
	}
	if len(request.Flow) > 0 && string(request.Flow) != "null" {
		spec, err := decodeDocument(request.Flow)
		if err != nil {
			return err
		}
		body.Spec = *spec
	}
	return m.answerRun(w, r, l, body)
}

// revisionHeader tells our script the revision of the draft that was kept, so
// that it can send the same form again.
const revisionHeader = "Weft-Draft-Revision"

// runPost takes the outline's form, keeps the draft, and runs it. Our script
// asks for the events as they come.
func (m *Module) runPost(w http.ResponseWriter, r *http.Request, l loaded) error {
	form, err := server.Form(r)
	if err != nil {
		return err
	}
	body, revision, err := m.fromForm(l, form)
	if err != nil {
		return err
	}
	refused := m.attach(r, l.Who, form, &body.Spec)
	if err := m.keep(r, &l, body, revision); err != nil {
		return m.answerConflict(w, r, err)
	}
	w.Header().Set(revisionHeader, strconv.FormatInt(l.Revision, 10))
	switch {
	case refused != nil && wantsStream(r):
		return refused.Err
	case refused != nil:
		return m.showRefusedKey(w, l, refused)
	case wantsStream(r):
		return m.answerRun(w, r, l, l.Body)
	}
	return m.runForm(w, r, l)
}

// runForm runs the kept draft and shows the page with the result, or with how
// far it is.
func (m *Module) runForm(w http.ResponseWriter, r *http.Request, l loaded) error {
	path := "/flow/" + l.Flow.ID.String()
	if len(l.Body.Spec.Components) == 0 {
		m.Site.SetFlash(w, noSteps)
		server.Redirect(w, path)
		return nil
	}
	if len(m.problems(&l.Body.Spec)) > 0 {
		m.Site.SetFlash(w, "flash.not-run")
		server.Redirect(w, path+"?check=1#problems")
		return nil
	}
	id, err := m.runs.inBackground(r.Context(), l.Who, l.Flow.ID, m.testRun(l, l.Body), lookOnAfter)
	if err != nil {
		return err
	}
	server.Redirect(w, path+"?run="+id+"#test")
	return nil
}

func (m *Module) testRun(l loaded, body Body) testRun {
	return testRun{Workspace: l.Who.Workspace.Name, Subject: l.Who.Actor(), Spec: &body.Spec, Input: body.Input}
}

func wantsStream(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// answerRun runs a flow within the request: a client that goes away stops it.
func (m *Module) answerRun(w http.ResponseWriter, r *http.Request, l loaded, body Body) error {
	if len(body.Spec.Components) == 0 {
		return server.Invalid(server.FieldError{Field: "flow.components", Code: server.CodeRequired, Message: noSteps})
	}
	if problems := m.problems(&body.Spec); len(problems) > 0 {
		return invalidFlow(problems)
	}
	if err := m.runs.enter(l.Who.UserID); err != nil {
		return err
	}
	defer m.runs.leave(l.Who.UserID)
	run := m.runs.newRun()
	stream := &eventStream{w: w, control: http.NewResponseController(w)}
	err := m.runs.execute(r.Context(), run, m.testRun(l, body), m.Patience, func(e engine.Event) {
		m.runs.publish(l.Who, l.Flow.ID, e)
		if wantsStream(r) {
			stream.send(e)
		}
	})
	if err != nil {
		m.runs.note(err)
		return m.runFailure(stream, run, err)
	}
	m.keepRun(r, l, run)
	if wantsStream(r) {
		return nil
	}
	return replyRun(w, run)
}

// keepRun keeps the record, so that a page can show it once more.
func (m *Module) keepRun(r *http.Request, l loaded, run *Run) {
	data, err := run.encode(maxRecord)
	if err == nil {
		err = m.EventLog.KeepRun(r.Context(), l.Who.Workspace.ID, l.Who.UserID, run.ID, data)
	}
	if err != nil {
		m.Log.DebugContext(r.Context(), "keeping a test run", "error", err)
	}
}

// runFailure answers a run that has no result. Once events went out, the end is
// an event too.
func (m *Module) runFailure(stream *eventStream, run *Run, err error) error {
	if stream.begun {
		run.fail(runMessage(err))
		stream.send(engine.Event{
			Type: engine.RunFinished, Run: run.ID, Time: m.Now(), Status: engine.Failed,
			Code: v1alpha1.ErrorInternal, Message: run.Message, Errors: run.Errors,
		})
		return nil
	}
	var refused *runRefused
	switch {
	case errors.As(err, &refused):
		status := refused.Status
		if status < 400 || status > 499 || status == http.StatusUnauthorized || status == http.StatusForbidden {
			status = http.StatusBadGateway
		}
		return &server.Error{Status: status, Message: refused.Message, Extra: map[string]any{"errors": nonNil(refused.Errors)}}
	case errors.Is(err, errNotUp):
		return &server.Error{Status: http.StatusServiceUnavailable, Message: notUpMessage, RetryAfter: 3 * time.Second, Cause: err}
	default:
		return &server.Error{Status: http.StatusBadGateway, Message: runMessage(err), Cause: err}
	}
}

func replyRun(w http.ResponseWriter, run *Run) error {
	answer := RunResponse{
		Success: success, Message: ranMessage, Result: run.Result, Run: run.ID,
		Components: run.Steps, Errors: run.Errors, DurationMs: run.DurationMs,
	}
	status := http.StatusOK
	if run.State != RunSucceeded {
		answer.Success, answer.Message = "false", run.Message
		status = runStatus(run.Errors)
	}
	return server.JSON(w, status, answer)
}

// runStatus is the HTTP status that says best why a run failed.
func runStatus(failures []engine.RunError) int {
	if len(failures) == 0 {
		return http.StatusInternalServerError
	}
	switch failures[0].Code {
	case v1alpha1.ErrorInvalidInput, v1alpha1.ErrorExpression:
		return http.StatusBadRequest
	case v1alpha1.ErrorRateLimited, v1alpha1.ErrorBudgetExceeded:
		return http.StatusTooManyRequests
	case v1alpha1.ErrorTimeout:
		return http.StatusGatewayTimeout
	case v1alpha1.ErrorTooLarge:
		return http.StatusRequestEntityTooLarge
	case v1alpha1.ErrorUpstream, v1alpha1.ErrorUnauthorized, v1alpha1.ErrorBlocked:
		return http.StatusBadGateway
	default:
		return http.StatusInternalServerError
	}
}

// eventStream writes server-sent events.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
	gone    bool
}

// streamTimeout bounds a write to a slow client.
const streamTimeout = 15 * time.Second

func (s *eventStream) send(e engine.Event) {
	if s.gone {
		return
	}
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		s.w.Header().Set("X-Accel-Buffering", "no")
		s.w.WriteHeader(http.StatusOK)
	}
	data, err := json.Marshal(e)
	if err != nil {
		s.gone = true
		return
	}
	// A writer that knows no deadline has one of its own.
	if err := s.control.SetWriteDeadline(time.Now().Add(streamTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.gone = true
		return
	}
	if _, err := fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", e.Type, data); err != nil {
		s.gone = true
		return
	}
	if err := s.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.gone = true
	}
}
