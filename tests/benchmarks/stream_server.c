// Streams chat completions on an exact timetable, and logs when it wrote each piece: the truth that clients are read by.
#define _GNU_SOURCE
// usage: stream_server NAME=VALUE ...   (one thread, epoll, 127.0.0.1 only; ends on SIGTERM or after `seconds`)
//   port, log (a file), tokens, ttft_us, gap_us (between tokens), per_piece (tokens), sigma (of lognormal gaps),
//   stall_us after token stall_after, role (1: an empty piece with the role at once), thoughts (tokens of reasoning
//   first), slots (streams at a time; the others wait, in order; 0: any number), seconds. A request's max_tokens goes
//   before `tokens`. At its end it prints how many streams were whole, were left by their client, and hold a slot.
// The log has, for each whole stream, int64: arrival, number of pieces, the instant before each piece was written, and
// that at which it was due (ns, CLOCK_MONOTONIC).
#include <arpa/inet.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FDS = 4096, ROOM = 1 << 20, SPIN_NS = 200000, LOOK_NS = 20000 };
typedef struct {
    size_t have;
    char *in;
    int64_t arrived, due, *log;  // log: instants of writing, then of being due
    int next, pieces, tokens, prompt, busy;
    uint64_t seed;
} Peer;
static Peer peers[MAX_FDS];
static int heap[MAX_FDS], heap_size;
static int64_t ttft, gap, stall, per_piece = 1, tokens = 50, stall_after, role, thoughts, seconds = 600;
static int64_t slots;
static int waiting[MAX_FDS], wait_size;
static long whole, left, running;
static double sigma;
static FILE *out;
static volatile sig_atomic_t stopped;

static void stop(int number) { (void)number; stopped = 1; }

static int64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static double uniform(Peer *peer) {
    peer->seed ^= peer->seed << 13, peer->seed ^= peer->seed >> 7, peer->seed ^= peer->seed << 17;
    return ((double)(peer->seed >> 11) + 0.5) / 9007199254740992.0;
}

static void swap(int a, int b) { int held = heap[a]; heap[a] = heap[b]; heap[b] = held; }

static void sift(int at) {
    for (int child; (child = 2 * at + 1) < heap_size; at = child) {
        if (child + 1 < heap_size && peers[heap[child + 1]].due < peers[heap[child]].due) child++;
        if (peers[heap[at]].due <= peers[heap[child]].due) return;
        swap(at, child);
    }
}

static void push(int fd) {
    int at = heap_size++;
    for (heap[at] = fd; at && peers[heap[at]].due < peers[heap[(at - 1) / 2]].due; at = (at - 1) / 2)
        swap(at, (at - 1) / 2);
}

static void drop(int fd) {
    for (int at = 0; at < heap_size; at++)
        if (heap[at] == fd) {
            heap[at] = heap[--heap_size];
            for (int each = heap_size / 2; each >= 0; each--) sift(each);
            return;
        }
}

static void put(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0) return;
        data += sent, size -= (size_t)sent;
    }
}

static int chunk(char *to, const char *body) { return sprintf(to, "%zx\r\n%s\r\n", strlen(body), body); }

static int event(char *to, const char *delta, const char *finish) {
    char body[2600];
    sprintf(body, "data: {\"id\":\"chatcmpl-7a1c22b0\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,"
            "\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{%s},\"logprobs\":null,\"finish_reason\":%s}]}\n\n",
            delta, finish);
    return chunk(to, body);
}

static void start(int fd, int64_t at) {
    peers[fd].due = at + ttft, peers[fd].busy = 1, running++;
    push(fd);
}

static void free_slot(void) {
    running--;
    if (!wait_size || (slots && running >= slots)) return;
    int fd = waiting[0];
    memmove(waiting, waiting + 1, sizeof *waiting * (size_t)--wait_size);
    start(fd, now_ns());
}

static void finish(int fd) {
    Peer *peer = &peers[fd];
    char body[512], all[1024];
    sprintf(body, "data: {\"id\":\"chatcmpl-7a1c22b0\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,"
            "\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,"
            "\"total_tokens\":%d}}\n\ndata: [DONE]\n\n", peer->prompt, peer->tokens, peer->prompt + peer->tokens);
    int size = chunk(all, body);
    size += sprintf(all + size, "0\r\n\r\n");
    put(fd, all, (size_t)size);
    if (out) {
        int64_t head[2] = {peer->arrived, peer->pieces};
        fwrite(head, sizeof *head, 2, out);
        fwrite(peer->log, sizeof *peer->log, 2 * (size_t)peer->pieces, out);
    }
    peer->busy = 0, whole++;
    free_slot();
}

static void piece(int fd) {
    Peer *peer = &peers[fd];
    char all[4096], delta[2048];
    int first = peer->next * (int)per_piece, last = peer->next == peer->pieces - 1;
    int count = first + per_piece > peer->tokens ? peer->tokens - first : (int)per_piece;
    int size = sprintf(delta, "\"%s\":\"", first < thoughts ? "reasoning" : "content");
    for (int each = 0; each < count; each++) size += sprintf(delta + size, " w%d", (first + each) % 90 + 10);
    sprintf(delta + size, "\"");
    size = event(all, delta, last ? "\"length\"" : "null");
    peer->log[peer->pieces + peer->next] = peer->due;
    peer->log[peer->next++] = now_ns();
    put(fd, all, (size_t)size);
    double factor = sigma > 0 ? exp(sigma * sqrt(-2 * log(uniform(peer))) * cos(2 * M_PI * uniform(peer))
                                    - sigma * sigma / 2) : 1;
    peer->due += (int64_t)((double)(gap * per_piece) * factor);
    if (stall_after && first < stall_after && first + count >= stall_after) peer->due += stall;
}

static int number_after(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at ? atoi(at + strlen(name)) : 0;
}

// A word is a token, and the template has ten.
static int prompt_tokens(const char *body) {
    int count = 10;
    for (const char *at = body; (at = strstr(at, "\"content\":"));)
        for (at += strcspn(at, ":") + 1, at += strspn(at, " \""); *at && *at != '"'; at += strspn(at, " "))
            at += strcspn(at, " \""), count++;
    return count;
}

static void respond(int fd, int64_t arrived) {
    Peer *peer = &peers[fd];
    char all[4096], *body = strstr(peer->in, "\r\n\r\n") + 4;
    int streams = strstr(body, "\"stream\":true") || strstr(body, "\"stream\": true");
    if (strncmp(peer->in, "POST", 4) || !streams) {
        char text[512];
        if (strncmp(peer->in, "POST", 4))
            strcpy(text, "{\"object\":\"list\",\"status\":\"ok\",\"data\":[{\"id\":\"m\",\"object\":\"model\"}]}");
        else
            sprintf(text, "{\"id\":\"c\",\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
                    "\"assistant\",\"content\":\"yes\"},\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":%d,"
                    "\"completion_tokens\":1}}", prompt_tokens(body));
        int found = !strstr(peer->in, "/metrics") && !strstr(peer->in, "/tokenize");
        put(fd, all, (size_t)sprintf(all, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                                     found ? "200 OK" : "404 Not Found", strlen(text), text));
        return;
    }
    int asked = number_after(body, "\"max_tokens\":");
    if (!asked) asked = number_after(body, "\"max_completion_tokens\":");
    peer->prompt = prompt_tokens(body);
    peer->tokens = asked ? asked : (int)tokens;
    peer->pieces = (int)((peer->tokens + per_piece - 1) / per_piece);
    peer->log = realloc(peer->log, 2 * sizeof *peer->log * (size_t)peer->pieces);
    peer->arrived = arrived, peer->next = 0, peer->busy = 2;
    int size = sprintf(all, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n");
    if (role) size += event(all + size, "\"role\":\"assistant\",\"content\":\"\"", "null");
    put(fd, all, (size_t)size);
    if (!slots || running < slots) start(fd, arrived); else waiting[wait_size++] = fd;
}

static void leave(int fd) {
    int busy = peers[fd].busy;
    peers[fd].busy = 0;
    close(fd);
    left += busy > 0;
    if (busy == 1) drop(fd), free_slot();
    if (busy == 2)
        for (int at = 0; at < wait_size; at++)
            if (waiting[at] == fd) memmove(waiting + at, waiting + at + 1, sizeof *waiting * (size_t)(--wait_size - at));
}

static void read_from(int fd) {
    Peer *peer = &peers[fd];
    ssize_t got = recv(fd, peer->in + peer->have, ROOM - 1 - peer->have, 0);
    if (got <= 0) { leave(fd); return; }
    int64_t arrived = now_ns();
    peer->have += (size_t)got;
    peer->in[peer->have] = 0;
    char *end = strstr(peer->in, "\r\n\r\n");
    if (!end) return;
    char *length = strcasestr(peer->in, "\r\ncontent-length:");
    size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    if (peer->have < (size_t)(end + 4 - peer->in) + body) return;
    peer->have = 0;
    respond(fd, arrived);
}

static void option(const char *text) {
    struct { const char *name; int64_t *value; int64_t unit; } known[] = {
        {"tokens", &tokens, 1}, {"ttft_us", &ttft, 1000}, {"gap_us", &gap, 1000}, {"per_piece", &per_piece, 1},
        {"stall_us", &stall, 1000}, {"stall_after", &stall_after, 1}, {"role", &role, 1}, {"thoughts", &thoughts, 1},
        {"slots", &slots, 1}, {"seconds", &seconds, 1}};
    const char *value = strchr(text, '=') + 1;
    for (size_t each = 0; each < sizeof known / sizeof *known; each++)
        if (!strncmp(text, known[each].name, (size_t)(value - text - 1)) && !known[each].name[value - text - 1])
            *known[each].value = (int64_t)(atof(value) * (double)known[each].unit);
    if (!strncmp(text, "sigma=", 6)) sigma = atof(value);
    if (!strncmp(text, "log=", 4) && *value) out = fopen(value, "wb");
}

int main(int argc, char **argv) {
    int port = 0, on = 1;
    for (int each = 1; each < argc; each++) {
        if (!strchr(argv[each], '=')) return 2;
        if (!strncmp(argv[each], "port=", 5)) port = atoi(argv[each] + 5); else option(argv[each]);
    }
    signal(SIGTERM, stop);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) { perror("bind"); return 2; }
    int epoll = epoll_create1(0);
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = listener}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &wanted);
    puts("ready"), fflush(stdout);
    int64_t looked = 0, end = now_ns() + seconds * 1000000000LL;
    for (int64_t now; !stopped && (now = now_ns()) < end;) {
        while (heap_size && peers[heap[0]].due <= now) {
            int fd = heap[0];
            piece(fd);
            int is_whole = peers[fd].next == peers[fd].pieces;
            if (is_whole) heap[0] = heap[--heap_size];
            sift(0);
            if (is_whole) finish(fd);
            now = now_ns();
            if (now - looked > LOOK_NS) break;
        }
        int64_t wait = heap_size ? peers[heap[0]].due - now - SPIN_NS : 100000000;
        if (wait <= 0 && now - looked < LOOK_NS) continue;
        struct timespec limit = {0, wait > 0 ? wait % 1000000000 : 0};
        if (wait >= 1000000000) limit.tv_sec = wait / 1000000000;
        int count = epoll_pwait2(epoll, events, 256, &limit, NULL);
        looked = now_ns();
        for (int each = 0; each < count; each++) {
            int fd = events[each].data.fd;
            if (fd != listener) { read_from(fd); continue; }
            int peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (peer < 0) continue;
            if (peer >= MAX_FDS) { close(peer); continue; }
            setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            Peer *fresh = &peers[peer];
            if (!fresh->in) fresh->in = malloc(ROOM);
            fresh->have = 0, fresh->busy = 0, fresh->seed = 88172645463325252ULL + (uint64_t)peer * 2654435761ULL;
            wanted = (struct epoll_event){.events = EPOLLIN, .data.fd = peer};
            epoll_ctl(epoll, EPOLL_CTL_ADD, peer, &wanted);
        }
    }
    if (out) fclose(out);
    printf("%ld %ld %ld\n", whole, left, running);
    return 0;
}
