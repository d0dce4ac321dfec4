// Command openai serves OpenAI's protocol with answers that are always the
// same, for tests and for trying things out by hand:
//
//	go run ./test/openai -listen 127.0.0.1:9999 -key sk-test
//	curl -H 'Authorization: Bearer sk-test' -H 'Content-Type: application/json' \
//	  -d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]}' \
//	  http://127.0.0.1:9999/v1/chat/completions
//
// GET /v1/models lists the models; those that begin with test- fail, each in
// its own way.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/weft-run/weft/test/openai/fake"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9999", "address to listen on")
	key := flag.String("key", "sk-test", "key that requests must carry")
	slow := flag.Duration("slow", 200*time.Millisecond, "pause between the pieces of the model "+fake.Slow)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := serve(ctx, *listen, fake.Options{Key: *key, SlowDelay: *slow})
	stop()
	if err != nil {
		slog.Error("serving failed", "error", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, address string, o fake.Options) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	server := &http.Server{Handler: fake.New(o), ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	// The first line is for scripts: they wait for it, and read the address
	// where port 0 was asked for.
	fmt.Fprintf(os.Stdout, "http://%s/v1\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
