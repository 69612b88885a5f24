/*
 * libcurl, measured: one easy handle used over and over, or a multi handle with N transfers.
 *
 *   curl_client easy|multi --port N --path P --callers N (--seconds N | --requests N)
 */
#include "measure.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"

static struct bench {
    struct measure_options options;
    struct measure measure;
    char url[256];
    uint64_t request_count;
    uint64_t body_size;
} bench;

static size_t body_take(char *bytes, size_t size, size_t count, void *argument)
{
    (void)bytes;
    (void)argument;
    bench.body_size += size * count;
    return size * count;
}

static CURL *transfer_new(void)
{
    CURL *transfer = curl_easy_init();
    LB_ASSERT(transfer != NULL);
    (void)curl_easy_setopt(transfer, CURLOPT_URL, bench.url);
    (void)curl_easy_setopt(transfer, CURLOPT_WRITEFUNCTION, body_take);
    (void)curl_easy_setopt(transfer, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(transfer, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    return transfer;
}

static void transfer_judge(CURL *transfer, CURLcode result)
{
    long code = 0;
    (void)curl_easy_getinfo(transfer, CURLINFO_RESPONSE_CODE, &code);
    if (result != CURLE_OK || code != 200) {
        (void)fprintf(stderr, "curl_client: no 200: %s\n", curl_easy_strerror(result));
        exit(1);
    }
    bench.request_count++;
}

static void easy_run(void)
{
    CURL *transfer = transfer_new();
    while (measure_go(&bench.measure)) {
        transfer_judge(transfer, curl_easy_perform(transfer));
    }
    measure_print(&bench.measure, bench.request_count, bench.body_size);
    curl_easy_cleanup(transfer);
}

/* multi_renew: transfers that have ended begin again, or stay out; returns how many stay out. */
static uint32_t multi_renew(CURLM *multi)
{
    int left = 0;
    uint32_t ended_count = 0;
    for (CURLMsg *m = curl_multi_info_read(multi, &left); m != NULL;
         m = curl_multi_info_read(multi, &left)) {
        CURL *transfer = m->easy_handle;
        transfer_judge(transfer, m->data.result);
        (void)curl_multi_remove_handle(multi, transfer);
        if (measure_go(&bench.measure)) {
            (void)curl_multi_add_handle(multi, transfer);
        } else {
            ended_count++;
        }
    }
    return ended_count;
}

static void multi_run(void)
{
    CURL *transfers[MEASURE_CALLERS_MAX];
    CURLM *multi = curl_multi_init();
    LB_ASSERT(multi != NULL);
    uint32_t count = bench.options.caller_count;
    uint32_t running_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        transfers[i] = transfer_new();
        if (measure_go(&bench.measure)) {
            (void)curl_multi_add_handle(multi, transfers[i]);
            running_count++;
        }
    }
    while (running_count > 0) {
        int busy = 0;
        CURLMcode result = curl_multi_perform(multi, &busy);
        LB_ASSERT(result == CURLM_OK);
        running_count -= multi_renew(multi);
        if (running_count > 0) {
            (void)curl_multi_poll(multi, NULL, 0, 1000, NULL);
        }
    }
    measure_print(&bench.measure, bench.request_count, bench.body_size);
    for (uint32_t i = 0; i < count; i++) {
        curl_easy_cleanup(transfers[i]);
    }
    (void)curl_multi_cleanup(multi);
}

int main(int argc, char **argv)
{
    measure_options_read(argc, argv, &bench.options);
    (void)snprintf(bench.url, sizeof bench.url, "http://127.0.0.1:%u%s",
                   (unsigned)bench.options.port, bench.options.path);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    measure_begin(&bench.measure, &bench.options);
    if (strcmp(bench.options.word, "multi") == 0) {
        multi_run();
    } else {
        easy_run();
    }
    curl_global_cleanup();
    return 0;
}
