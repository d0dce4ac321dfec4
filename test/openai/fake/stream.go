package fake

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// stream sends the answer piece by piece, as server-sent events.
func (s *server) stream(w http.ResponseWriter, r *http.Request, req *chatRequest, a answer) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	send := func(value any) { sendEvent(w, value) }
	chunk := func(delta replyText, finish *string) completion {
		return completion{
			ID: completionID, Object: "chat.completion.chunk", Created: created, Model: req.Model,
			Choices: []choice{{Delta: &delta, FinishReason: finish}},
		}
	}
	empty := ""
	send(chunk(replyText{Role: "assistant", Content: &empty}, nil))
	for i, token := range a.tokens {
		send(chunk(replyText{Content: &token}, nil))
		s.disturb(w, r, req.Model, i, chunk)
	}
	finish := a.finish()
	send(chunk(replyText{}, &finish))
	if req.StreamOptions != nil && req.StreamOptions.IncludeUsage {
		send(completion{
			ID: completionID, Object: "chat.completion.chunk", Created: created, Model: req.Model,
			Choices: []choice{}, Usage: a.usage(),
		})
	}
	sendRaw(w, []byte("[DONE]"))
}

// disturb does, after each piece, what the model is named for.
func (s *server) disturb(w http.ResponseWriter, r *http.Request, model string, piece int, chunk func(replyText, *string) completion) {
	switch model {
	case Slow:
		s.pause(r.Context())
	case Broken:
		if piece == 1 {
			panic(http.ErrAbortHandler)
		}
	case BrokenByError:
		if piece == 1 {
			sendEvent(w, map[string]apiError{"error": {Type: "server_error", Message: "The server had an error while processing your request."}})
			panic(http.ErrAbortHandler)
		}
	case Endless:
		more := " and so on"
		for r.Context().Err() == nil {
			sendEvent(w, chunk(replyText{Content: &more}, nil))
		}
		panic(http.ErrAbortHandler)
	}
}

func sendEvent(w http.ResponseWriter, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	sendRaw(w, data)
}

func sendRaw(w http.ResponseWriter, data []byte) {
	if _, err := w.Write(append(append([]byte("data: "), data...), '\n', '\n')); err != nil {
		panic(http.ErrAbortHandler)
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func (s *server) pause(ctx context.Context) {
	timer := time.NewTimer(s.options.SlowDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
