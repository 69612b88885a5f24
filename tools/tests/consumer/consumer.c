/*
 * A consumer of the installed library, in what C11 and C++17 have in common: a server of one answer on
 * loopback, one GET to it, and the transport freed. Exit code 0 if the answer came back. On threads, or,
 * with CONSUMER_ON_LOOP, on the loop.
 */
#include <lastbyte/lastbyte.h>
#ifdef CONSUMER_ON_LOOP
#include <lastbyte/loop.h>
#endif

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/* server_main: accepts one connection, and answers when something has come. */
static void *server_main(void *argument)
{
    char bytes[1024];
    int listener = *(const int *)argument;
    int fd = accept(listener, NULL, NULL);
    if (fd >= 0 && recv(fd, bytes, sizeof bytes, 0) > 0) {
        (void)send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
        (void)recv(fd, bytes, sizeof bytes, 0); /* until the client ends it */
    }
    (void)close(fd);
    return NULL;
}

/* server_listen: a listening descriptor, and its port; below 0: none. */
static int server_listen(uint16_t *ret_port)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        return -1;
    }
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* get: one GET; true if "hello" and its end have come. */
static bool get(struct lb_transport *transport, uint16_t port)
{
    struct lb_request_options options;
    struct lb_request *request = NULL;
    struct lb_response *response = NULL;
    char bytes[64];
    size_t total = 0;
    memset(&options, 0, sizeof options);
    options.method = "GET";
    options.endpoint.scheme = "http";
    options.endpoint.host = "127.0.0.1";
    options.endpoint.port = port;
    options.target = "/";
    options.deadline_ns = LB_NEVER;
    enum lb_status status = lb_request_new(transport, &options, &request);
    if (status == LB_OK) {
        status = lb_request_send(request, &response);
    }
    while (status == LB_OK && total < sizeof bytes) {
        size_t size = 0;
        status =
            lb_body_read(lb_response_body(response), bytes + total, sizeof bytes - total, &size);
        total += size;
    }
    (void)printf("consumer: %s, %u bytes\n", lb_status_word(status), (unsigned)total);
    bool is_whole = status == LB_END && total == 5 && memcmp(bytes, "hello", 5) == 0;
    lb_request_free(&request);
    return is_whole;
}

/* ask: the GET by a transport on this runtime and network; true if all of it came. */
static bool ask(struct lb_runtime *runtime, struct lb_network *network, uint16_t port)
{
    struct lb_transport_options options;
    struct lb_transport *transport = NULL;
    lb_transport_options_default(&options);
    options.runtime = runtime;
    options.network = network;
    if (lb_transport_new(&options, &transport) != LB_OK) {
        return false;
    }
    bool is_whole = get(transport, port);
    lb_transport_free(&transport);
    return is_whole;
}

#ifdef CONSUMER_ON_LOOP
struct program {
    struct lb_loop *loop;
    uint16_t port;
    bool is_whole;
};

static void program_main(void *argument)
{
    struct program *program = (struct program *)argument;
    program->is_whole =
        ask(lb_loop_runtime(program->loop), lb_loop_network(program->loop), program->port);
}

static bool run(uint16_t port)
{
    struct program program;
    program.loop = NULL;
    program.port = port;
    program.is_whole = false;
    if (lb_loop_new(lb_memory_standard(), &program.loop) != LB_OK) {
        return false;
    }
    bool has_run = lb_loop_run(program.loop, program_main, &program) == LB_OK;
    lb_loop_free(&program.loop);
    return has_run && program.is_whole;
}
#else
static bool run(uint16_t port)
{
    struct lb_network *network = NULL;
    struct lb_tls_options tls;
    memset(&tls, 0, sizeof tls);
    if (lb_network_tls_new(&tls, lb_memory_standard(), &network) != LB_OK) {
        return false;
    }
    bool is_whole = ask(lb_runtime_threads(), network, port);
    lb_network_tls_free(&network);
    return is_whole;
}
#endif

int main(void)
{
    pthread_t server;
    uint16_t port = 0;
    int listener = server_listen(&port);
    if (listener < 0 || pthread_create(&server, NULL, server_main, &listener) != 0) {
        return 3;
    }
    if (!run(port)) {
        return 1;
    }
    (void)pthread_join(server, NULL);
    (void)close(listener);
    return 0;
}
