// Go's net/http, measured: N callers, each one request after the other.
//
//	go_client go --port N --path P --callers N (--seconds N | --requests N)
package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func fail(err error) {
	fmt.Fprintln(os.Stderr, "go_client:", err)
	os.Exit(1)
}

func usage() (int64, int64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		fail(err)
	}
	return u.Utime.Nano() / 1000, u.Stime.Nano() / 1000
}

func main() {
	flags := flag.NewFlagSet("go_client", flag.ExitOnError)
	port := flags.Int("port", 0, "")
	path := flags.String("path", "/", "")
	callers := flags.Int("callers", 1, "")
	seconds := flags.Int("seconds", 0, "")
	requests := flags.Int64("requests", 1<<62, "")
	_ = flags.Parse(os.Args[2:])

	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *callers, DisableCompression: true}}
	url := fmt.Sprintf("http://127.0.0.1:%d%s", *port, *path)
	user, system := usage()
	begun := time.Now()
	left, count, total := *requests, int64(0), int64(0)
	var all sync.WaitGroup
	for i := 0; i < *callers; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for atomic.AddInt64(&left, -1) >= 0 {
				if *seconds > 0 && time.Since(begun) >= time.Duration(*seconds)*time.Second {
					return
				}
				response, err := client.Get(url)
				if err != nil {
					fail(err)
				}
				size, err := io.Copy(io.Discard, response.Body)
				if err != nil {
					fail(err)
				}
				response.Body.Close()
				atomic.AddInt64(&count, 1)
				atomic.AddInt64(&total, size)
			}
		}()
	}
	all.Wait()
	duration := time.Since(begun).Nanoseconds()
	userEnd, systemEnd := usage()
	fmt.Println(count, duration, userEnd-user, systemEnd-system, total)
}
