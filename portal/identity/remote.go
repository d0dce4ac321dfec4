package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/weft-run/weft/portal/server"
)

const (
	remoteTimeout = 1500 * time.Millisecond
	maxVerdict    = 64 << 10
	verifyPath    = "/identity/verify"
)

// verdict is the answer of POST /identity/verify.
type verdict struct {
	Success string  `json:"success"`
	Subject Subject `json:"subject"`
}

// Remote asks an identity server elsewhere. It is a Verifier.
type Remote struct {
	address string
	client  *http.Client
	site    server.Site
}

// NewRemote returns a Verifier that asks the identity server at an address.
func NewRemote(base *url.URL, site server.Site) *Remote {
	return &Remote{
		address: base.JoinPath(verifyPath).String(), site: site,
		client: &http.Client{
			Timeout:       remoteTimeout,
			Transport:     &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Verify sends the request's credential on, and nothing else of the request.
func (v *Remote) Verify(ctx context.Context, r *http.Request) (Subject, error) {
	shown, err := credentialOf(r, v.site)
	if err != nil {
		return Subject{}, err
	}
	if shown == nil {
		return Subject{}, server.Unauthorized("Please sign in first.")
	}
	question, err := http.NewRequestWithContext(ctx, http.MethodPost, v.address, nil)
	if err != nil {
		return Subject{}, fmt.Errorf("asking the identity server: %w", err)
	}
	question.Header.Set("Accept", "application/json")
	if shown.bearer != "" {
		question.Header.Set("Authorization", "Bearer "+shown.bearer)
	} else {
		question.AddCookie(v.site.Cookie(sessionCookie, shown.cookie, 0))
	}
	subject, err := v.ask(question)
	var told *server.Error
	if err != nil && !errors.As(err, &told) {
		return Subject{}, server.Unavailable("identity server", err)
	}
	return subject, err
}

func (v *Remote) ask(question *http.Request) (subject Subject, err error) {
	answer, err := v.client.Do(question)
	if err != nil {
		return Subject{}, fmt.Errorf("asking the identity server: %w", err)
	}
	defer func() {
		if closing := answer.Body.Close(); err == nil {
			err = closing
		}
	}()
	switch {
	case answer.StatusCode == http.StatusUnauthorized:
		return Subject{}, unauthorized()
	case answer.StatusCode != http.StatusOK:
		return Subject{}, fmt.Errorf("the identity server answered %d", answer.StatusCode)
	case answer.Header.Get("Content-Type") != "application/json; charset=utf-8":
		return Subject{}, errors.New("the identity server answered something that is not JSON")
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxVerdict))
	if err != nil {
		return Subject{}, fmt.Errorf("reading the identity server's answer: %w", err)
	}
	var v1 verdict
	if err := json.Unmarshal(body, &v1); err != nil {
		return Subject{}, errors.New("the identity server's answer cannot be read")
	}
	s := v1.Subject
	if v1.Success != success || s.UserID == uuid.Nil || s.SessionID == uuid.Nil || s.Workspace.ID == uuid.Nil || s.Workspace.Name == "" {
		return Subject{}, errors.New("the identity server's answer names nobody")
	}
	return s, nil
}
