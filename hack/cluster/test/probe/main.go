// Command probe runs in pods of the cluster's test: it serves, asks, writes and
// eats memory.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // the process ends
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return serve(ctx)
	}
	if len(args) < 2 {
		return errors.New("usage: probe [lookup NAME | get URL | eat MEBIBYTES | write FILE]")
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	switch args[0] {
	case "lookup":
		return lookup(ctx, args[1])
	case "get":
		return get(ctx, args[1])
	case "eat":
		return eat(ctx, args[1])
	case "write":
		return os.WriteFile(args[1], []byte("written"), 0o600)
	default:
		return fmt.Errorf("unknown command %q", args[0])
	}
}

// serve answers with the name of the pod until ctx ends.
func serve(ctx context.Context) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, host) },
	)}
	fmt.Fprintln(os.Stdout, "probe serves as", host)
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func lookup(ctx context.Context, name string) error {
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, strings.Join(addresses, " "))
	return nil
}

func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(os.Stdout, io.LimitReader(response.Body, 1<<16))
	return err
}

// eat touches every page of the memory it asks for and keeps it.
func eat(ctx context.Context, mebibytes string) error {
	n, err := strconv.Atoi(mebibytes)
	if err != nil {
		return err
	}
	var kept [][]byte
	for range n {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		kept = append(kept, block)
	}
	fmt.Fprintln(os.Stdout, "ate", len(kept))
	<-ctx.Done()
	return nil
}
