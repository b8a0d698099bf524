package main

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// service is one of botocore's models, and what the table says of it.
type service struct {
	id         string // botocore's folder, and the name in SDKs: "sqs"
	prefix     string // the endpoint prefix, by which operations are called
	signing    string // the name in credential scopes
	protocols  string // one letter each
	target     string // before the dot in X-Amz-Target
	hosts      []string
	aliases    []string // "Old=New"
	operations []*operation
}

type operation struct {
	name     string
	wire     string // as the service calls it, where that differs
	method   string
	uri      string
	required []string // query keys beside those in uri that tell it from another
	headers  []string // headers that do
	members  []string // query keys it takes, where the service has more operations by them

	actions []string
	event   string
	secret  bool

	findings []finding // what its shapes hold
	why      []finding // those of them for which it has to be named exactly
	reasons  []string  // why the others are none
	listed   bool      // it is in secrets.txt
	remark   string    // what stands there of it
}

type model struct {
	Metadata struct {
		EndpointPrefix, Protocol, SigningName, TargetPrefix string

		Protocols          []string
		AWSQueryCompatible *struct{}
	}
	Operations map[string]struct {
		Name     string
		HTTP     struct{ Method, RequestURI string }
		Endpoint struct{ HostPrefix string }
		Input    struct{ Shape string }
		Output   struct{ Shape string }
	}
	Shapes map[string]shape
}

// readServices reads the newest model of every service, sorted by folder.
func readServices(data string) ([]*service, error) {
	folders, err := os.ReadDir(data)
	if err != nil {
		return nil, err
	}
	var services []*service
	for _, folder := range folders {
		// Packed in the package, and plain in its repository.
		files, err := filepath.Glob(filepath.Join(data, folder.Name(), "*", "service-2.json*"))
		if err != nil || len(files) == 0 {
			continue
		}
		file := slices.Max(files)
		s, err := readService(folder.Name(), file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		services = append(services, s)
	}
	return services, nil
}

func readService(id, file string) (*service, error) {
	var m model
	if err := readJSON(file, &m); err != nil {
		return nil, err
	}
	md := m.Metadata
	s := &service{id: id, prefix: md.EndpointPrefix, signing: md.SigningName, target: md.TargetPrefix}
	if s.signing == "" {
		s.signing = s.prefix
	}
	if len(md.Protocols) == 0 {
		md.Protocols = []string{md.Protocol}
	}
	if md.AWSQueryCompatible != nil {
		md.Protocols = append(md.Protocols, "query") // the service still answers it
	}
	for _, protocol := range md.Protocols {
		letter, ok := map[string]string{"json": "j", "query": "q", "ec2": "q", "rest-json": "r", "rest-xml": "r", "smithy-rpc-v2-cbor": "c"}[protocol]
		if !ok {
			return nil, fmt.Errorf("protocol %q is not known", protocol)
		}
		if !strings.Contains(s.protocols, letter) {
			s.protocols += letter
		}
	}
	prefixes := map[string]bool{"": true}
	for _, name := range slices.Sorted(maps.Keys(m.Operations)) {
		o := m.Operations[name]
		prefixes[o.Endpoint.HostPrefix] = true
		op := &operation{name: name, method: o.HTTP.Method, uri: o.HTTP.RequestURI, findings: m.findings(name)}
		if o.Name != name {
			op.wire = o.Name
		}
		s.operations = append(s.operations, op)
	}
	if strings.Contains(s.protocols, "r") {
		if err := tellApart(s, &m); err != nil {
			return nil, err
		}
	}
	hosts, base, err := readHosts(strings.Replace(file, "service-2", "endpoint-rule-set-1", 1), s.prefix)
	s.hosts = withPrefixes(hosts, prefixes)
	for _, o := range s.operations {
		o.uri = base + o.uri
	}
	return s, err
}

func readJSON(file string, to any) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if !strings.HasSuffix(file, ".gz") {
		return json.NewDecoder(f).Decode(to)
	}
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	return json.NewDecoder(unpacked).Decode(to)
}

// line is the service's line: s, prefix, signing name, protocols, target prefix,
// folder, hosts, aliases.
func (s *service) line() string {
	return strings.Join([]string{"s", s.prefix, s.signing, s.protocols, s.target, s.id, strings.Join(s.hosts, " "), strings.Join(s.aliases, " ")}, "\t")
}

// line is the operation's line: name, actions, event, flags, and for REST method, URI,
// what tells it from others, and the query keys it takes. What is empty at the end is
// left out; an action of the usual name is left out as well, and "-" is none known.
func (o *operation) line(s *service) string {
	flags := ""
	if o.secret {
		flags = "c"
	}
	actions := strings.Join(o.actions, ",")
	switch actions {
	case "":
		actions = "-"
	case s.signing + ":" + o.name:
		actions = ""
	}
	fields := []string{o.name, actions, o.event, flags}
	if strings.Contains(s.protocols, "r") {
		uri := o.uri
		for _, key := range o.required {
			separator := "?"
			if strings.Contains(uri, "?") {
				separator = "&"
			}
			uri += separator + key
		}
		fields = append(fields, o.method, uri, strings.Join(o.headers, ","), strings.Join(o.members, ","))
	}
	return strings.TrimRight(strings.Join(fields, "\t"), "\t")
}
