# Every check is a target here; .ci/run calls nothing else.
SHELL    := /bin/bash
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOFUMPT  := mvdan.cc/gofumpt@v0.12.0
VULN     := golang.org/x/vuln/cmd/govulncheck@v1.9.0
FUZZTIME ?= 30s
ROUNDS   ?= 20

.PHONY: build cross demo test e2e clients aws aws-memory kill race fuzz bench bench-trail fmt lint vuln check clean

build: ; go build -o bin/sallyport ./cmd/sallyport
cross: ; ./test/cross.sh
demo: build ; go run ./test/demo -sallyport bin/sallyport
test: ; go vet ./... && go test -timeout 8m ./...
e2e: ; E2E=full ROUNDS=$(ROUNDS) go test -count=1 -timeout 30m -p 1 ./test/... && E2E=full go test -count=1 -timeout 10m -run '^TestBodiesStream' ./proxy
clients: ; go test -count=1 -run '^TestTheTableOfClients$$' ./test/e2e -table
kill: ; ROUNDS=200 go test -count=1 -timeout 60m -v -run 'TestKillRounds|TestPowerLoss' ./test/crash
aws: ; E2E=full go test -count=1 -timeout 20m ./test/aws
aws-memory: ; BODY_SIZE=5368709120 go test -count=1 -v -timeout 60m -run '^TestBodiesStreamSigned$$' ./proxy
race: ; go test -race -timeout 25m ./...
fuzz: ; ./test/fuzz.sh $(FUZZTIME)
bench: build ; go run ./bench/run
bench-trail: ; go run ./bench/trail
fmt: ; go run $(GOFUMPT) -l -w $$(git ls-files '*.go' ':!bench/harness')
lint: ; go run $(GOLANGCI) run ./...
vuln: ; go run $(VULN) ./...
check: lint race e2e
clean: ; rm -rf bin .cache
