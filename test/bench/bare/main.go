// Bare is the yardstick of the throughput benchmark: a net/http handler that
// does the same JSON work as the benchmark's flow, and nothing else.
package main

import (
	"encoding/json"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"time"
)

const maxBody = 1 << 20

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	flag.Parse()
	server := &http.Server{Addr: *listen, Handler: http.HandlerFunc(hello), ReadHeaderTimeout: 10 * time.Second}
	if err := server.ListenAndServe(); err != nil {
		slog.Error("serving", "error", err)
		os.Exit(1)
	}
}

func hello(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Input any `json:"input"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body); err != nil {
		http.Error(w, "the body is not JSON", http.StatusBadRequest)
		return
	}
	name, ok := body.Input.(string)
	if !ok {
		http.Error(w, "input is not a text", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	answer := map[string]any{"success": "true", "result": "Hello, " + name + "! Thank you for your message."}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		slog.Error("answering", "error", err)
	}
}
