/* Threads that help whoever calls `for_each_block`.

   The caller takes blocks itself until none is left, and waits only for blocks that helpers have
   begun. So a helper that finds no free core delays nobody, as a barrier of OpenMP would. */
#include <fenv.h>
#include <pthread.h>

typedef struct Job {
    Body body;
    void *work;
    ptrdiff_t blocks, next;    /* `next`, which nobody has begun, is counted up atomically */
    fenv_t environment;        /* of the caller: how it rounds, whether it flushes to zero */
    int helpers;               /* at work on it */
    struct Job *following;
} Job;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of all that follows */
static pthread_cond_t offered = PTHREAD_COND_INITIALIZER, left = PTHREAD_COND_INITIALIZER;
static Job *jobs;
static int started;

static void take_blocks(Job *job)
{
    for (;;) {
        ptrdiff_t block = __atomic_fetch_add(&job->next, 1, __ATOMIC_RELAXED);
        if (block >= job->blocks) return;
        job->body(job->work, block);
    }
}

/* Take the job off the list, if it is still there: nothing of it is left to begin. */
static void withdraw(Job *job)
{
    for (Job **at = &jobs; *at; at = &(*at)->following)
        if (*at == job) {
            *at = job->following;
            return;
        }
}

static void *help(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&mutex);
    for (;;) {
        while (!jobs) pthread_cond_wait(&offered, &mutex);
        Job *job = jobs;
        job->helpers++;
        pthread_mutex_unlock(&mutex);
        fesetenv(&job->environment);
        take_blocks(job);
        pthread_mutex_lock(&mutex);
        withdraw(job);
        if (--job->helpers == 0) pthread_cond_broadcast(&left);
    }
    return NULL;
}

/* Threads live as long as the process. One that cannot be started is done without. */
static void start_helpers(int count)
{
    for (; started < count; started++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, help, NULL)) return;
        pthread_detach(thread);
    }
}

static void for_each_block(Body body, void *work, ptrdiff_t blocks, int threads)
{
    Job job = {.body = body, .work = work, .blocks = blocks};
    int is_offered = threads > 1 && blocks > 1;
    if (is_offered) {
        fegetenv(&job.environment);
        pthread_mutex_lock(&mutex);
        start_helpers(blocks < threads ? (int)blocks - 1 : threads - 1);
        job.following = jobs;
        jobs = &job;
        if (blocks > 2) pthread_cond_broadcast(&offered);
        else pthread_cond_signal(&offered);
        pthread_mutex_unlock(&mutex);
    }
    take_blocks(&job);
    if (is_offered) {
        pthread_mutex_lock(&mutex);
        withdraw(&job);
        while (job.helpers) pthread_cond_wait(&left, &mutex);
        pthread_mutex_unlock(&mutex);
    }
}
