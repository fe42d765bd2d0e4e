package main

import (
	"errors"
	"net"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/millrace/millrace/pipeline"
	"github.com/millrace/millrace/serve"
)

// httpFlags are the flags of millrace serve about its HTTP server; each stands for a key of serve: in millrace.yml.
type httpFlags struct{ listen, cert, key string }

func (f *httpFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.listen, "listen", "", "address and port, such as 0.0.0.0:4280 (default serve.listen, 127.0.0.1:4280)")
	flags.StringVar(&f.cert, "tls-cert", "", "PEM file of the server's certificate")
	flags.StringVar(&f.key, "tls-key", "", "PEM file of its private key")
}

// httpServer makes the HTTP server of the project that engine gives. What is wrong with its settings is a wrong usage.
func (a *app) httpServer(f httpFlags, engine func() *pipeline.Engine, s serve.Scheduler, alive func() error, problem func() string) (*serve.Server, error) {
	settings := *engine().Project.Serve
	if f.listen != "" {
		if _, _, err := net.SplitHostPort(f.listen); err != nil {
			return nil, usage("--listen %s: write host:port, such as 127.0.0.1:4280", f.listen)
		}
		settings.Listen = f.listen
	}
	for _, file := range []struct {
		flag string
		to   *string
	}{{f.cert, &settings.TLS.Cert}, {f.key, &settings.TLS.Key}} {
		if file.flag == "" {
			continue
		}
		path, err := filepath.Abs(file.flag)
		if err != nil {
			return nil, err
		}
		*file.to = path
	}
	if (settings.TLS.Cert == "") != (settings.TLS.Key == "") {
		return nil, usage("give both --tls-cert and --tls-key")
	}
	server, err := serve.New(serve.Config{Engine: engine, Scheduler: s, Settings: settings, Log: a.logger(), Clock: engine().Clock, Alive: alive, Refused: problem})
	if err == nil {
		err = server.Listen()
	}
	var refused *serve.RefusedError
	if errors.As(err, &refused) {
		return nil, &codeError{codeUsage, err}
	}
	return server, err
}
