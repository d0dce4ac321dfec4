package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/weft-run/weft/runtime/engine"
)

// heartbeatEvery is how often a silent stream sends a comment, so that nothing
// on the way takes it for dead.
const heartbeatEvery = 15 * time.Second

// wantsStream says whether the client asks for server-sent events.
func wantsStream(r *http.Request) bool { return accepts(r, "text/event-stream") }

// wantsPage says whether the client is a browser that shows a page.
func wantsPage(r *http.Request) bool { return accepts(r, "text/html") }

func accepts(r *http.Request, mediaType string) bool {
	for _, value := range r.Header.Values("Accept") {
		for item := range strings.SplitSeq(value, ",") {
			name, _, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(name), mediaType) {
				return true
			}
		}
	}
	return false
}

// eventStream writes events to a client while the run goes on. A client that
// does not read holds up its own run only, and only for as long as one write
// may take; then the run is canceled.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	cancel  func()

	mu     sync.Mutex
	failed bool
	stop   chan struct{}
	done   chan struct{}
}

// startStream begins the answer. cancel ends the run when the client is gone.
func startStream(w http.ResponseWriter, cancel func()) *eventStream {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	// Proxies that would collect the answer first are asked not to.
	w.Header().Set("X-Accel-Buffering", "no")
	s := &eventStream{
		w: w, control: http.NewResponseController(w), cancel: cancel,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	s.write([]byte(": stream\n\n"))
	go s.heartbeat()
	return s
}

// send writes an event.
func (s *eventStream) send(e engine.Event) {
	data, err := json.Marshal(e)
	if err != nil {
		// Only a value can fail; the event itself still tells what happened.
		e.Input, e.Output, e.Result = nil, nil, nil
		if data, err = json.Marshal(e); err != nil {
			return
		}
	}
	s.write(fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Type, data))
}

func (s *eventStream) write(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed {
		return
	}
	err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = s.w.Write(data)
	}
	if err == nil {
		err = s.control.Flush()
	}
	if err != nil {
		s.failed = true
		s.cancel()
	}
}

func (s *eventStream) heartbeat() {
	defer close(s.done)
	ticker := time.NewTicker(heartbeatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
			s.write([]byte(": still there\n\n"))
		}
	}
}

// close waits until nothing is written any more.
func (s *eventStream) close() {
	close(s.stop)
	<-s.done
}
