/* pacer: HTTP/1.1 requests at a constant rate, each latency counted from the moment its request was due.
 *
 *   pacer load  ADDRESS PORT PATH RATE SECONDS CONNECTIONS keep|new
 *   pacer fetch ADDRESS PORT PATH
 *
 * Request k is due at t0 + k/RATE, whatever became of those before it. A request that is due while every connection
 * is busy waits, and its waiting counts: nothing is left out because the server was slow (no "coordinated omission").
 * RATE 0 is a closed loop: each connection asks again once it was answered, and latency is counted from the sending.
 * keep: all connections stand before t0. new: each request opens one and the server closes it.
 *
 * One thread and epoll; it sleeps until the next request is due, with a timer slack of a nanosecond. The report is one
 * JSON object with two whole histograms, of latency from due and from sent, in buckets of at most 1/128 of their value.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define VERSION "1"
#define SUB_BITS 7
#define SUB (1 << SUB_BITS)
#define BUCKETS (SUB * (64 - SUB_BITS))
#define DRAIN_NS 1000000000LL /* how long answers are waited for once the last request was due */
#define MOST_FAILURES 1000
#define HEAD 4096

typedef int64_t ns_t;
enum state { IDLE, CONNECTING, WAITING, BODY };
struct connection {
    int fd;
    enum state state;
    ns_t due, sent;
    int64_t left; /* bytes of the body still to come */
    int head;     /* bytes of the answer's head so far */
    char text[HEAD + 1];
};

static struct sockaddr_in server;
static char request[1024];
static int request_bytes, fresh, epoll_fd, n_connections;
static struct connection *connections;
static int *idle, idle_first, idle_count; /* a ring: the one that has been idle longest is next */
static uint64_t from_due[BUCKETS], from_sent[BUCKETS];
static int64_t answered, answered_in_time, refused, broken, bytes, sent_count, outstanding;
static ns_t ends, last_answer, latest_send;

static ns_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "pacer: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int bucket(ns_t value) {
    uint64_t v = value < 0 ? 0 : (uint64_t)value;
    if (v < SUB) return (int)v;
    int shift = 63 - __builtin_clzll(v) - SUB_BITS;
    return (shift + 1) * SUB + (int)((v >> shift) - SUB);
}

static uint64_t lowest(int index) {
    return index < SUB ? (uint64_t)index : (uint64_t)(index % SUB + SUB) << (index / SUB - 1);
}

static void watch(struct connection *c, int op, uint32_t what) {
    struct epoll_event event = {.events = what, .data.ptr = c};
    if (epoll_ctl(epoll_fd, op, c->fd, &event)) die("epoll_ctl");
}

static void now_idle(struct connection *c) {
    c->state = IDLE;
    idle[(idle_first + idle_count++) % n_connections] = (int)(c - connections);
}

static void failed(struct connection *c);

static void opened(struct connection *c, int blocking) {
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0);
    if (c->fd < 0) die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (blocking) {
        struct timeval limit = {.tv_sec = 3};
        setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (connect(c->fd, (struct sockaddr *)&server, sizeof server)) die("connect");
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    } else if (!connect(c->fd, (struct sockaddr *)&server, sizeof server) || errno == EINPROGRESS) {
        watch(c, EPOLL_CTL_ADD, EPOLLOUT);
    } else {
        die("connect");
    }
}

static void ask(struct connection *c) {
    c->state = WAITING;
    c->head = 0;
    if (send(c->fd, request, (size_t)request_bytes, MSG_NOSIGNAL) != request_bytes) failed(c);
}

static void begin(struct connection *c, ns_t due, ns_t at) {
    c->due = due;
    c->sent = at;
    if (at - due > latest_send) latest_send = at - due;
    sent_count++;
    outstanding++;
    if (fresh) {
        c->state = CONNECTING;
        opened(c, 0);
    } else {
        ask(c);
    }
}

static void failed(struct connection *c) {
    if (++broken > MOST_FAILURES) {
        fprintf(stderr, "pacer: %d connections broke\n", MOST_FAILURES);
        exit(1);
    }
    if (c->state != IDLE) outstanding--;
    else return; /* an idle connection that the server closed: found when it is used */
    close(c->fd);
    if (!fresh) opened(c, 1);
    now_idle(c);
}

static void done(struct connection *c) {
    ns_t at = now();
    from_due[bucket(at - c->due)]++;
    from_sent[bucket(at - c->sent)]++;
    answered++;
    if (at <= ends) answered_in_time++;
    last_answer = at;
    outstanding--;
    if (fresh) close(c->fd);
    now_idle(c);
}

/* The head of an answer is whole: its status and how long its body is. Returns bytes of the body already here, or -1. */
static int64_t judged(struct connection *c) {
    c->text[c->head] = 0;
    char *end = strstr(c->text, "\r\n\r\n");
    if (!end) return -1;
    char *length = strcasestr(c->text, "\r\nContent-Length:");
    if (!length || length > end) {
        fprintf(stderr, "pacer: an answer without Content-Length: %.40s\n", c->text);
        exit(1);
    }
    if (strncmp(c->text, "HTTP/1.1 2", 10)) refused++;
    c->left = strtoll(length + 17, NULL, 10);
    return c->head - (end + 4 - c->text);
}

static void readable(struct connection *c) {
    static char body[1 << 18];
    for (;;) {
        ssize_t got = c->state == BODY ? recv(c->fd, body, sizeof body, 0)
                                       : recv(c->fd, c->text + c->head, (size_t)(HEAD - c->head), 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0 || c->state == IDLE) { failed(c); return; }
        bytes += got;
        if (c->state == BODY) {
            c->left -= got;
        } else {
            c->head += (int)got;
            int64_t here = judged(c);
            if (here < 0) {
                if (c->head == HEAD) { failed(c); return; }
                continue;
            }
            c->left -= here;
            c->state = BODY;
        }
        if (c->left <= 0) { done(c); return; }
    }
}

static void event(struct connection *c) {
    if (c->state != CONNECTING) { readable(c); return; }
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) { errno = error; failed(c); return; }
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
    ask(c);
}

static void print(const char *name, const uint64_t *counts, const char *after) {
    const char *comma = "";
    printf("\"%s\": [", name);
    for (int i = 0; i < BUCKETS; i++)
        if (counts[i]) {
            printf("%s[%llu, %llu]", comma, (unsigned long long)lowest(i), (unsigned long long)counts[i]);
            comma = ", ";
        }
    printf("]%s", after);
}

static void load(double rate, double seconds) {
    struct epoll_event events[64];
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc((size_t)n_connections, sizeof *connections);
    idle = calloc((size_t)n_connections, sizeof *idle);
    if (epoll_fd < 0 || !connections || !idle) die("memory");
    for (int i = 0; i < n_connections; i++) {
        if (!fresh) opened(&connections[i], 1);
        now_idle(&connections[i]);
    }
    prctl(PR_SET_TIMERSLACK, 1UL);
    struct timespec unix_time;
    clock_gettime(CLOCK_REALTIME, &unix_time);
    ns_t begins = now();
    ends = begins + (ns_t)(seconds * 1e9);
    int64_t scheduled = rate > 0 ? (int64_t)(rate * seconds) : INT64_MAX;
    for (;;) {
        ns_t at = now(), next;
        if (at > ends + DRAIN_NS || (outstanding == 0 && (sent_count >= scheduled || (rate <= 0 && at >= ends)))) break;
        if (rate <= 0) { /* closed */
            while (idle_count && at < ends) {
                int who = idle[idle_first];
                idle_first = (idle_first + 1) % n_connections, idle_count--;
                begin(&connections[who], at, at);
            }
            next = at < ends ? ends : ends + DRAIN_NS;
        } else {
            while (idle_count && sent_count < scheduled) {
                ns_t due = begins + (ns_t)((double)sent_count * 1e9 / rate);
                if (due > at && (at = now()) < due) break;
                int who = idle[idle_first];
                idle_first = (idle_first + 1) % n_connections, idle_count--;
                begin(&connections[who], due, at);
            }
            next = idle_count && sent_count < scheduled ? begins + (ns_t)((double)sent_count * 1e9 / rate)
                                                        : ends + DRAIN_NS;
        }
        ns_t wait = next - now();
        struct timespec pause = {.tv_sec = wait > 0 ? wait / 1000000000LL : 0, .tv_nsec = wait > 0 ? wait % 1000000000LL : 0};
        int count = epoll_pwait2(epoll_fd, events, 64, &pause, NULL);
        if (count < 0 && errno != EINTR) die("epoll_pwait2");
        for (int i = 0; i < count; i++) event(events[i].data.ptr);
    }
    ns_t over = now();
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
                 1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    if (rate <= 0) scheduled = sent_count;
    printf("{\"program\": \"cnilab pacer\", \"version\": \"" VERSION "\", \"started_at\": %lld.%03ld, ",
           (long long)unix_time.tv_sec, unix_time.tv_nsec / 1000000);
    printf("\"loop\": \"%s\", \"connection\": \"%s\", \"connections\": %d, \"offered_per_s\": %.6f, \"duration_s\": %.6f, ",
           rate > 0 ? "open" : "closed", fresh ? "new" : "keep", n_connections, rate, seconds);
    printf("\"scheduled\": %lld, \"sent\": %lld, \"answered\": %lld, \"answered_in_time\": %lld, \"refused\": %lld, ",
           (long long)scheduled, (long long)sent_count, (long long)answered, (long long)answered_in_time,
           (long long)refused);
    printf("\"broken\": %lld, \"bytes\": %lld, \"elapsed_s\": %.6f, \"latest_send_s\": %.9f, \"cpu_s\": %.6f, ",
           (long long)broken, (long long)bytes, 1e-9 * (double)(over - begins), 1e-9 * (double)latest_send, cpu);
    printf("\"sub_buckets\": %d, ", SUB);
    print("from_due_ns", from_due, ", ");
    print("from_sent_ns", from_sent, "}\n");
}

static void fetch(void) {
    char text[65536];
    struct timeval limit = {.tv_sec = 3};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server)) die("connect");
    if (send(fd, request, (size_t)request_bytes, MSG_NOSIGNAL) != request_bytes) die("send");
    ssize_t got;
    while ((got = recv(fd, text, sizeof text, 0)) > 0) fwrite(text, 1, (size_t)got, stdout);
    if (got < 0) die("recv");
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "--version")) return puts("pacer " VERSION) < 0;
    int loads = argc == 9 && !strcmp(argv[1], "load");
    if (!loads && !(argc == 5 && !strcmp(argv[1], "fetch"))) {
        fputs("usage: pacer load ADDRESS PORT PATH RATE SECONDS CONNECTIONS keep|new\n"
              "       pacer fetch ADDRESS PORT PATH\n", stderr);
        return 2;
    }
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(argv[3]));
    if (inet_pton(AF_INET, argv[2], &server.sin_addr) != 1) {
        fprintf(stderr, "pacer: %s is no IPv4 address\n", argv[2]);
        return 2;
    }
    fresh = !loads || !strcmp(argv[8], "new");
    request_bytes = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", argv[4], argv[2],
                             fresh ? "Connection: close\r\n" : "");
    if (request_bytes >= (int)sizeof request) return 2;
    if (!loads) {
        fetch();
        return 0;
    }
    double rate = atof(argv[5]), seconds = atof(argv[6]);
    n_connections = atoi(argv[7]);
    if (rate < 0 || seconds <= 0 || n_connections < 1 || n_connections > 4096) {
        fputs("pacer: RATE from 0, SECONDS above 0, CONNECTIONS from 1 to 4096\n", stderr);
        return 2;
    }
    load(rate, seconds);
    return 0;
}
